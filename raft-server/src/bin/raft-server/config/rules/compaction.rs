//! Maps the settings of compaction onto those of `raft-core`, and checks that the budgets do not
//! contradict each other.

use raft_core::CompactionPolicy;

use super::findings::{Findings, Problem};
use crate::config::settings::Settings;

/// The policy of compaction; settings that are not set have the defaults of `raft-core`.
pub(super) fn compaction(settings: &Settings, findings: &mut Findings) -> CompactionPolicy {
    let mut policy = CompactionPolicy::default();
    if let Some(entries) = settings.compaction_kept_entries {
        policy.kept_entries_max = entries;
    }
    for (target, size) in [
        (&mut policy.kept_bytes_max, settings.compaction_kept_bytes),
        (&mut policy.follower_bytes_max, settings.compaction_follower_bytes),
        (&mut policy.snapshot_bytes_max, settings.compaction_snapshot_bytes),
    ] {
        if let Some(size) = size {
            *target = size.0;
        }
    }
    let kept = ("compaction_kept_bytes", policy.kept_bytes_max);
    let follower = ("compaction_follower_bytes", policy.follower_bytes_max);
    let snapshot = ("compaction_snapshot_bytes", policy.snapshot_bytes_max);
    for ((lower_key, lower), (key, value)) in [(kept, follower), (follower, snapshot)] {
        if value < lower {
            findings.problems.push(Problem::BelowBudget { key, value, lower_key, lower });
        }
    }
    policy
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::quantity::Size;

    fn problems(settings: &Settings) -> Vec<String> {
        let mut findings = Findings::default();
        compaction(settings, &mut findings);
        findings.problems.iter().map(ToString::to_string).collect()
    }

    /// A budget below the one that it extends would have no effect.
    #[test]
    fn budgets_of_compaction_ascend() {
        assert_eq!(problems(&Settings::default()), [""; 0]);
        let settings = Settings {
            compaction_kept_bytes: Some(Size(2000)),
            compaction_follower_bytes: Some(Size(1000)),
            ..Settings::default()
        };
        assert_eq!(
            problems(&settings),
            [
                "compaction_follower_bytes (1000) must be at least compaction_kept_bytes (2000): raise \
              compaction_follower_bytes or lower compaction_kept_bytes"
            ]
        );
    }
}
