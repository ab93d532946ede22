//! Checks of appends and truncations.

use raft_core::{Entry, Payload, Persist, RoleKind, Term};

use super::checker::Checker;
use super::known_entries::KnownEntry;
use super::observed::{EntryDigest, ObservedNode, node_id, offset_of};
use super::rule::Rule;

impl Checker {
    pub(super) fn check_append(&mut self, at: usize, entry: &Entry, record: u64) {
        let Some(node) = self.nodes.get_mut(at) else { return };
        let index = entry.index();
        let id = node_id(at);
        if index.get() != node.log.len() as u64 + 1 {
            let earlier = (format!("the log of {id:?} ends at {}", node.log.len()), record);
            let later = (format!("{id:?} writes entry {index} next"), record);
            self.record_violation(Rule::LogMatching, earlier, later);
            return;
        }
        if let Payload::Membership(membership) = &entry.payload {
            self.memberships
                .insert((index, entry.term()), raft_core::Membership::clone(membership));
        }
        let Some(node) = self.nodes.get_mut(at) else { return };
        let digest = EntryDigest::of(entry);
        let term_before = node.log.last().map_or(Term(0), |last| last.term);
        node.log.push(digest);
        node.memberships.append(entry);
        let new = KnownEntry { digest, term_before, node: id, record };
        let known = self.registry.record(index, new);
        if known.digest != digest || known.term_before != term_before {
            let describe = |known: &KnownEntry| {
                let KnownEntry { digest, term_before, node, .. } = known;
                format!(
                    "{node:?} has entry {index} of term {} (hash {:016x}) after term {term_before}",
                    digest.term, digest.payload
                )
            };
            self.record_violation(
                Rule::LogMatching,
                (describe(&known), known.record),
                (describe(&new), record),
            );
        }
    }

    pub(super) fn check_truncation(&mut self, at: usize, change: &Persist, record: u64) {
        let Some(from) = change.truncate_from else { return };
        let Some(node) = self.nodes.get_mut(at) else { return };
        let id = node_id(at);
        let keep = offset_of(from).unwrap_or(0);
        let leads = node.role == Some(RoleKind::Leader)
            && change.hard_state.is_none_or(|hard_state| hard_state.term == node.term);
        let first_removed = ObservedNode::at(&node.log, from);
        node.log.truncate(keep);
        node.memberships.truncate_from(from);
        if leads {
            let earlier = (format!("{id:?} leads term {}", node.term), record);
            let later = (format!("{id:?} removes its own entries from {from:?} on"), record);
            self.record_violation(Rule::LeaderAppendOnly, earlier, later);
            return;
        }
        if let (Some(removed), Some(entry)) = (first_removed, self.committed.at(from))
            && removed == entry.digest
        {
            let earlier =
                (format!("entry {from:?} of term {} is committed", removed.term), entry.record);
            let later = (format!("{id:?} removes it from its log"), record);
            self.record_violation(Rule::CommittedKept, earlier, later);
        }
    }
}
