//! The features of Raft and the scenarios that use and test them, as an HTML page.

use std::fmt::Write as _;

use super::html;
use super::matrix::{FeatureMatrix, FeatureRow};
use crate::features::Feature;
use crate::trace::diagram::escaped;

/// Renders the page.
pub(super) fn page(matrix: &FeatureMatrix) -> String {
    let header = "<p>● a section of the scenario tests the feature, ○ it uses the feature. \
                  A column is a scenario; its number is a link to its page. \
                  <a href=\"index.html\">All scenarios</a></p>\n";
    let mut body = dots(matrix);
    body.push_str("<section>\n<h2>Scenarios of each feature</h2>\n");
    for row in &matrix.rows {
        write_feature(&mut body, matrix, row);
    }
    body.push_str("</section>\n");
    html::page("Features of Raft and their scenarios", header, &body, "")
}

/// The table with a row for each feature and a narrow column for each scenario.
fn dots(matrix: &FeatureMatrix) -> String {
    let mut out =
        "<div class=\"wide\"><table class=\"dots\">\n<thead><tr><th>feature</th>".to_owned();
    for (number, (name, title)) in (1..).zip(&matrix.scenarios) {
        let (name, title) = (escaped(name), escaped(title));
        let _ = write!(out, "<th><a href=\"{name}.html\" title=\"{title}\">{number}</a></th>");
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    for row in &matrix.rows {
        let Feature { path, title, .. } = row.feature;
        let class = match (row.feature.is_branch(), matrix.is_tested(row)) {
            (true, true) => "branch",
            (true, false) => "branch untested",
            (false, true) => "family",
            (false, false) => "family untested",
        };
        let _ = write!(
            out,
            "<tr class=\"{class}\"><th><a href=\"#{path}\" title=\"{path}\">{}</a></th>",
            escaped(title)
        );
        for (place, (_, scenario)) in matrix.scenarios.iter().enumerate() {
            let _ = match row.mark(place) {
                "" => write!(out, "<td></td>"),
                mark => write!(out, "<td title=\"{}\">{mark}</td>", escaped(scenario)),
            };
        }
        out.push_str("</tr>\n");
    }
    out + "</tbody>\n</table></div>\n"
}

fn write_feature(out: &mut String, matrix: &FeatureMatrix, row: &FeatureRow) {
    let Feature { path, title, description, source } = row.feature;
    let class = if row.feature.is_branch() { "branch" } else { "family" };
    let _ = writeln!(
        out,
        "<article class=\"{class}\" id=\"{path}\">\n<h3>{}</h3>\n\
         <p class=\"links\"><code>{path}</code> {}</p>\n<p>{}</p>",
        escaped(title),
        escaped(source),
        escaped(description),
    );
    for (label, places) in [("tested by", &row.tests), ("used by", &row.uses)] {
        if places.is_empty() {
            continue;
        }
        let _ = write!(out, "<p class=\"scenarios\"><span>{label}</span>");
        for (name, title) in places.iter().filter_map(|&place| matrix.scenarios.get(place)) {
            let (name, title) = (escaped(name), escaped(title));
            let _ = write!(out, " <a href=\"{name}.html\">{title}</a>");
        }
        out.push_str("</p>\n");
    }
    if !matrix.is_tested(row) {
        out.push_str("<p class=\"bad\">no scenario tests it</p>\n");
    }
    out.push_str("</article>\n");
}
