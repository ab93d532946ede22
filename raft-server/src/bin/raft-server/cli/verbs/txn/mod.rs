//! `txn`: a transaction in words.

mod lex;
mod parse;

use clap::Args;
use raft_server::kv::client::Revisioned;

use super::{CommonArgs, End, VerbError, keys};

/// How a transaction is written.
pub(super) const HELP: &str = "\
A transaction:
  if COMPARISON and COMPARISON ... then OPERATION ; OPERATION ... else OPERATION ; ...
  OPERATION ; OPERATION ...                   without comparisons

Comparisons (the relation is = != < or >):
  value(KEY) = VALUE       version(KEY) = N      exists(KEY)
  created(KEY) < REVISION  modified(KEY) > REVISION  missing(KEY)
Operations:
  put KEY VALUE
  get KEY   get KEY --prefix   get START END
  del KEY   del KEY --prefix   del START END

A line break separates like `;`, and `#` starts a comment. Words with blanks, with one of
( ) ; # = ! < > or quotes, or that mean something here, go in quotes: 'as it stands', or
\"with \\n \\t \\\\ \\\" \\x00\".

  raft-server txn 'if missing(lock) then put lock me else get lock'

Exit codes: 0 the comparisons held, 3 they did not and `else` was done; the others are those of
the other commands, see `raft-server get --help`.";

#[derive(Args, Debug)]
pub(crate) struct TxnArgs {
    /// The transaction; read from standard input if left out
    text: Vec<String>,
    #[command(flatten)]
    common: CommonArgs,
}

pub(super) async fn run(args: TxnArgs) -> Result<End, VerbError> {
    let text = if args.text.is_empty() {
        String::from_utf8(keys::stdin()?)
            .map_err(|_| VerbError::Usage("the transaction is not UTF-8: use \\x00".to_owned()))?
    } else {
        args.text.join(" ")
    };
    let txn = parse::parse(&text).map_err(|error| VerbError::Usage(error.to_string()))?;
    let (client, printer) = args.common.client()?;
    let Revisioned { revision, value } = client.txn(txn).await?;
    printer.txn(revision, &value).map_err(VerbError::Print)?;
    Ok(if value.succeeded { End::Done } else { End::No })
}
