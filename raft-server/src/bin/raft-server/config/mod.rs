//! The configuration of a node: read from a file, environment variables and flags, then checked as a
//! whole. The rest of the program uses only the checked [`Config`].

mod checked;
mod defaults;
mod file;
mod load;
mod log;
mod member;
mod quantity;
mod reference;
mod rules;
mod setting;
mod settings;

pub(crate) use checked::Config;
pub(crate) use file::read as read_file;
pub(crate) use load::load;
pub(crate) use log::{LogFormat, LogSettings};
pub(crate) use member::{Member, Members, check_advertised};
pub(crate) use quantity::Span;
pub(crate) use reference::reference;
pub(crate) use rules::Warning;
pub(crate) use settings::Settings;
