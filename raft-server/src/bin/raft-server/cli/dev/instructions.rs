//! What `dev` prints: the nodes of the cluster, and commands that use it.

use std::path::Path;

use super::cluster::DevCluster;

/// The addresses and the process of each node.
pub(super) fn overview(cluster: &DevCluster, leader: u64) -> String {
    let directory = cluster.directory();
    let nodes = directory.nodes();
    let mut text = format!("{} nodes run in {}\n", nodes.len(), directory.path().display());
    for node in nodes {
        let role = if node.id == leader { "leader  " } else { "follower" };
        let pid = cluster.pid(node.id).unwrap_or_default();
        text += &format!(
            "  node {} {role}  pid {pid}  peers udp {}  clients udp {}  http://{}\n",
            node.id, node.peer, node.client, node.http,
        );
    }
    text
}

/// The commands that start the cluster again and use it.
pub(super) fn how_to_continue(cluster: &DevCluster) -> String {
    let directory = cluster.directory();
    let (program, path) = (quote(cluster.program()), quote(directory.path()));
    let client = quote(&directory.client_file());
    format!(
        "To run the cluster again:\n\n  {program} dev --dir {path}\n\n\
         and in another terminal:\n\n  \
           export RAFT_CLIENT={client}\n  \
           {program} put greeting hello\n  \
           {program} get greeting\n  \
           {program} status\n"
    )
}

/// Commands for another terminal, in the form in which a shell reads them.
pub(super) fn next_commands(cluster: &DevCluster, leader: u64) -> String {
    let directory = cluster.directory();
    let program = quote(cluster.program());
    let client = quote(&directory.client_file());
    let http = directory.node(leader).map_or_else(String::new, |node| node.http.to_string());
    let pid = cluster.pid(leader).unwrap_or_default();
    format!(
        "In another terminal:\n\n  \
           export RAFT_CLIENT={client}\n  \
           {program} put greeting hello\n  \
           {program} get greeting\n  \
           {program} status\n  \
           {program} members\n  \
           curl http://{http}/readyz\n  \
           kill -9 {pid}\n  \
           {program} get greeting\n\n\
         (The `kill` crashes the leader, node {leader}; it is restarted after a few seconds.)\n\
         Ctrl-C stops all nodes; the same command starts them again with their data."
    )
}

/// A path as an argument for a POSIX shell.
pub(super) fn quote(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '-' | '_' | '+');
    if !text.is_empty() && text.chars().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_is_quoted_only_where_a_shell_needs_it() {
        assert_eq!(quote(Path::new("/a/b-1.toml")), "/a/b-1.toml");
        assert_eq!(quote(Path::new("/a b/c")), "'/a b/c'");
        assert_eq!(quote(Path::new("/it's")), r"'/it'\''s'");
    }
}
