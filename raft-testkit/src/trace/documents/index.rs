//! The index of all scenarios, as an HTML page.

use std::fmt::Write as _;

use super::html;
use super::matrix::{FeatureMatrix, TESTED, USED};
use super::source::{Group, title};
use crate::features::Feature;
use crate::trace::diagram::escaped;
use crate::trace::record::Trace;

/// Hides the scenarios that do not contain the words in the field.
const FILTER: &str = "\
const field = document.getElementById(\"filter\");
const scenarios = [...document.querySelectorAll(\"article\")];
const groups = [...document.querySelectorAll(\"section\")];
field.addEventListener(\"input\", () => {
  const words = field.value.toLowerCase().split(/\\s+/).filter(Boolean);
  for (const scenario of scenarios) {
    const text = scenario.textContent.toLowerCase();
    scenario.hidden = !words.every((word) => text.includes(word));
  }
  for (const group of groups) {
    group.hidden = !group.querySelector(\"article:not([hidden])\");
  }
});
";

/// Renders the index of traces, in the order of the matrix.
pub(super) fn page(traces: &[&Trace], matrix: &FeatureMatrix) -> String {
    let untested = matrix.untested().count();
    let header = format!(
        "<p>{} scenarios, {} features of Raft; {}. <a href=\"matrix.html\">Features and \
         scenarios</a></p>\n<input id=\"filter\" type=\"search\" placeholder=\"filter\" \
         aria-label=\"Show scenarios that contain these words\">\n",
        traces.len(),
        matrix.rows.len(),
        match untested {
            0 => "each feature is tested".to_owned(),
            count => format!("{count} are not tested"),
        },
    );
    let mut body = String::new();
    let mut open: Option<Group> = None;
    for (place, trace) in traces.iter().enumerate() {
        let group = Group::of(&trace.header);
        if open.as_ref() != Some(&group) {
            if open.is_some() {
                body.push_str("</section>\n");
            }
            let _ = writeln!(body, "<section>\n<h2>{}</h2>", escaped(&group.title()));
            open = Some(group);
        }
        write_scenario(&mut body, trace, matrix, place);
    }
    body.push_str("</section>\n");
    html::page("Scenarios of Raft", &header, &body, FILTER)
}

fn write_scenario(out: &mut String, trace: &Trace, matrix: &FeatureMatrix, place: usize) {
    let header = &trace.header;
    let name = escaped(&header.scenario);
    let _ = writeln!(
        out,
        "<article id=\"{name}\">\n<h3><span>{}</span> <a href=\"{name}.html\">{}</a></h3>\n\
         <p class=\"links\"><a href=\"{name}.html\">page</a> <a href=\"{name}.svg\">diagram</a> \
         <a href=\"{name}.txt\">table</a> <a href=\"{name}.md\">document</a> \
         <code>{}</code></p>",
        place + 1,
        escaped(&title(header)),
        escaped(&header.source),
    );
    if !header.description.is_empty() {
        let _ = writeln!(out, "<p>{}</p>", escaped(&header.description));
    }
    for (label, mark) in [("tests", TESTED), ("uses", USED)] {
        let rows = matrix.rows.iter().filter(|row| row.mark(place) == mark);
        let features: Vec<&Feature> = rows.map(|row| row.feature).collect();
        out.push_str(&html::feature_links(label, &features));
    }
    out.push_str("</article>\n");
}
