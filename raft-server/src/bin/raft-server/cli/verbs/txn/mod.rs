//! `txn`: a transaction as text.

mod lex;
mod parse;
mod run;

pub(super) use run::{HELP, TxnArgs, run};
