//! The colours of diagrams, for light and dark backgrounds.

/// The colours on a light background, as custom properties.
pub(in crate::trace) const LIGHT: &str = "
--ground:#ffffff; --ink:#1c2733; --faint:#6b7a8a; --rule:#dfe5eb; --zebra:#f4f7fa; --raised:#ffffff;
--follower:#93a5b8; --precandidate:#f0c078; --candidate:#e8912d; --leader:#12967a; --down:#b4bec8;
--vote:#c2701a; --append:#2466d1; --heartbeat:#8494a6; --matched:#4f8fe0; --denied:#c93a44; --snapshot:#7a4fc9;
--fault:#c93a44; --split:#e5484d; --recovery:#1a8754; --command:#7a4fc0; --test:#586673;
--membership:#0b7285;";

/// The colours on a dark background.
pub(in crate::trace) const DARK: &str = "
--ground:#12181f; --ink:#e4eaf0; --faint:#8a98a7; --rule:#2a343f; --zebra:#1a222b; --raised:#18202a;
--follower:#5d7188; --precandidate:#a77a35; --candidate:#d58a35; --leader:#1fa285; --down:#4a5764;
--vote:#eba453; --append:#6fa4f5; --heartbeat:#8797a8; --matched:#85b6f2; --denied:#f2777f; --snapshot:#b394f0;
--fault:#e5626b; --split:#f2777f; --recovery:#4cc38a; --command:#b493ee; --test:#9aa8b6;
--membership:#66d9e8;";

/// The style of texts, lifelines, arrows and marks.
pub(in crate::trace) const SHAPES: &str = "
svg text { fill:var(--ink); font-size:11px; dominant-baseline:central; }
svg .title { font-size:19px; font-weight:650; }
svg .sub, svg .number, svg .change { fill:var(--faint); }
svg .number { font-size:9.5px; text-anchor:end; font-variant-numeric:tabular-nums; }
svg .section { font-size:13.5px; font-weight:650; }
svg .head { font-size:13px; font-weight:650; text-anchor:middle; }
svg .label { fill:var(--message); } svg .lost { fill:var(--fault); }
svg .pill-text { text-anchor:middle; } svg .pill-text-fault { fill:var(--fault); }
svg .pill-text-alarm, svg .pill-text-role { fill:#fff; font-weight:600; }
svg .pill-text-recovery { fill:var(--recovery); } svg .pill-text-command { fill:var(--command); }
svg .pill-text-membership { fill:var(--membership); }
svg .pill-text-test { fill:var(--test); } svg .pill-text-detail { fill:var(--faint); }
svg .cell-text { font-size:9.5px; text-anchor:middle; font-variant-numeric:tabular-nums; }
svg .cell-text-committed { fill:#fff; }
.rule { stroke:var(--rule); stroke-width:1; }
.heading-ground { fill:var(--ground); fill-opacity:.86; }
.halo { paint-order:stroke; stroke:var(--ground); stroke-width:4px; stroke-linejoin:round; }
.role-follower { fill:var(--follower); } .role-precandidate { fill:var(--precandidate); }
.role-candidate { fill:var(--candidate); } .role-leader { fill:var(--leader); }
.down { stroke:var(--down); stroke-width:2; stroke-dasharray:2 5; stroke-linecap:round; }
.blocked { fill:url(#blocked); }
.band { fill:var(--split); fill-opacity:.07; } .band-line { stroke:var(--split); stroke-opacity:.55;
  stroke-width:1.2; stroke-dasharray:5 4; }
.span-lease { fill:var(--vote); } .span-joint { fill:var(--membership); }
.span-transfer { fill:var(--command); } .span-transit { fill:var(--snapshot); }
.arrow { fill:none; stroke-width:1.6; }
.vote { --message:var(--vote); } .append { --message:var(--append); } .heartbeat { --message:var(--heartbeat); }
.matched { --message:var(--matched); } .denied { --message:var(--denied); }
.read { --message:var(--command); }
.snapshot { --message:var(--snapshot); }
.arrow, .tip { stroke:var(--message); } .tip { fill:var(--message); } .tip { stroke-width:0; }
.in-flight { stroke-dasharray:3 4; }
.cross { stroke:var(--fault); stroke-width:2.4; stroke-linecap:round; }

.dot { fill:var(--ground); stroke:var(--ink); stroke-width:1.2; }
.pill { stroke-width:1.3; } .pill:not(.pill-role) { fill:var(--ground); }

.pill-fault { stroke:var(--fault); } .pill.pill-alarm { stroke:var(--fault); fill:var(--fault); }

.pill-recovery { stroke:var(--recovery); }
.pill-command { stroke:var(--command); } .pill-membership { stroke:var(--membership); }
.pill-test { stroke:var(--test); stroke-dasharray:3 2; }
.pill-role { stroke-width:0; }
.cell { stroke-width:1.3; }
.removed { stroke:var(--fault); stroke-width:1.6; }
.pill-detail { stroke:var(--rule); }
";

/// The style sheet of a picture.
pub(super) fn style() -> String {
    format!(
        "svg {{{LIGHT} background:var(--ground); \
         font-family:system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif; }}\n\
         @media (prefers-color-scheme: dark) {{ svg {{{DARK} }} }}\n{SHAPES}"
    )
}

/// The colours of terms, in turn.
pub(in crate::trace) const TERMS: [&str; 7] =
    ["#64748b", "#3b76d6", "#b5651d", "#178a72", "#8a56c9", "#b03a6f", "#5f7f1f"];

/// The colour of the entries of a term.
pub(super) fn term(term: u64) -> &'static str {
    let count = TERMS.len() as u64;
    usize::try_from(term % count).ok().and_then(|at| TERMS.get(at)).copied().unwrap_or("#64748b")
}
