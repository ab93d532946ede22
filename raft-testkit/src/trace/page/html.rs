//! The page: frame, style sheet, data and scripts.

use super::data;
use crate::trace::diagram::{DARK, LIGHT, SHAPES, escaped};
use crate::trace::view::TraceView;

const FRAME: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPTS: [&str; 3] =
    [include_str!("model.js"), include_str!("draw.js"), include_str!("panel.js")];

/// Renders the page, with a link to the index of all scenarios if there is one.
#[must_use]
pub fn html(view: &TraceView<'_>, index: Option<&str>) -> String {
    let header = &view.trace.header;
    let title = if header.title.is_empty() { &header.scenario } else { &header.title };
    let style = format!(
        ":root {{{LIGHT} color-scheme:light; }}\n\
         @media (prefers-color-scheme: dark) {{ :root:not([data-theme=light]) {{{DARK} \
         color-scheme:dark; }} }}\n\
         :root[data-theme=dark] {{{DARK} color-scheme:dark; }}\n{SHAPES}{STYLE}"
    );
    let script = format!("\"use strict\";\n(() => {{\n{}}})();\n", SCRIPTS.concat());
    let inserts = [
        ("{title}", escaped(title)),
        ("{style}", style),
        ("{index}", index.map_or_else(String::new, index_link)),
        // A script element ends at the first "</", even inside a string.
        ("{data}", data::json(view).replace("</", "<\\/").replace("<!--", "<\\u0021--")),
        ("{script}", script),
    ];
    let mut page = String::new();
    let mut rest = FRAME;
    for (placeholder, text) in &inserts {
        let (before, after) =
            rest.split_once(placeholder).expect("the frame has every placeholder, in order");
        page.push_str(before);
        page.push_str(text);
        rest = after;
    }
    page + rest
}

fn index_link(index: &str) -> String {
    format!("\n    <a href=\"{}\">all scenarios</a>", escaped(index))
}
