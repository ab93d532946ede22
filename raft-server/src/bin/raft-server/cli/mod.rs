//! The command line: one module a command.

mod check;
mod client_file;
mod command;
mod config;
mod config_args;
mod data_dir_args;
mod dev;
mod log;
mod output;
mod recover;
mod serve;
mod snapshot;
mod verbs;

pub(crate) use command::run;
