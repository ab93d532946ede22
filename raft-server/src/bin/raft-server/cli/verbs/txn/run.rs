//! `txn`: a transaction as text.

use clap::Args;
use raft_server::kv::client::Revisioned;

use super::parse;
use crate::cli::verbs::cluster_args::ClusterArgs;
use crate::cli::verbs::outcome::{Ended, VerbError};
use crate::cli::verbs::stdin;

/// The part of `--help` that documents the syntax of a transaction.
pub(crate) const HELP: &str = "\
Syntax:
  if COMPARISON and COMPARISON ... then OPERATION ; OPERATION ... else OPERATION ; ...
  OPERATION ; OPERATION ...                   without comparisons

Comparisons (the relation is = != < or >):
  value(KEY) = VALUE       version(KEY) = N      exists(KEY)
  created(KEY) < REVISION  modified(KEY) > REVISION  missing(KEY)
Operations:
  put KEY VALUE
  get KEY   get KEY --prefix   get START END
  del KEY   del KEY --prefix   del START END

A line break separates operations like `;`. `#` starts a comment. Quote keys and values that
contain blanks, quotes or one of ( ) ; # = ! < >, and those that are keywords: 'literal', or
\"with escapes \\n \\t \\\\ \\\" \\x00\".

Example:
  raft-server txn 'if missing(lock) then put lock me else get lock'

Exit codes: 0 if all comparisons were true, 3 if one was false and the `else` operations were
applied; the others are listed in `raft-server get --help`.";

#[derive(Args, Debug)]
pub(crate) struct TxnArgs {
    /// The transaction [default: standard input]
    text: Vec<String>,
    #[command(flatten)]
    cluster: ClusterArgs,
}

pub(crate) async fn run(args: TxnArgs) -> Result<Ended, VerbError> {
    let text = if args.text.is_empty() {
        String::from_utf8(stdin::read()?).map_err(|_| {
            VerbError::Usage("the transaction is not UTF-8: write other bytes as \\x00".to_owned())
        })?
    } else {
        args.text.join(" ")
    };
    let txn = parse::parse(&text).map_err(|error| VerbError::Usage(error.to_string()))?;
    let (client, printer) = args.cluster.client()?;
    let Revisioned { revision, value } = client.txn(txn).await?;
    printer.txn(revision, &value).map_err(VerbError::Print)?;
    Ok(if value.succeeded { Ended::Done } else { Ended::No })
}
