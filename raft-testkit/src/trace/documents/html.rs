//! The frame of the HTML pages of all scenarios.

use std::fmt::Write as _;

use crate::features::Feature;
use crate::trace::diagram::{DARK, LIGHT, escaped};

const STYLE: &str = include_str!("documents.css");

/// A page that loads nothing else.
pub(super) fn page(title: &str, header: &str, body: &str, script: &str) -> String {
    let title = escaped(title);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
         style-src 'unsafe-inline'; script-src 'unsafe-inline'\">\n<title>{title}</title>\n\
         <style>\n:root {{{LIGHT} color-scheme:light; }}\n\
         @media (prefers-color-scheme: dark) {{ :root {{{DARK} color-scheme:dark; }} }}\n\
         {STYLE}</style>\n</head>\n<body>\n<header>\n<h1>{title}</h1>\n{header}</header>\n\
         <main>\n{body}</main>\n<script>\n\"use strict\";\n{script}</script>\n</body>\n</html>\n"
    )
}

/// Features as links to the page of the matrix.
pub(super) fn feature_links(label: &str, features: &[&Feature]) -> String {
    if features.is_empty() {
        return String::new();
    }
    let mut out = format!("<p class=\"features\"><span>{label}</span>");
    for Feature { path, title, description, .. } in features {
        let _ = write!(
            out,
            " <a href=\"matrix.html#{path}\" title=\"{path}: {}\">{}</a>",
            escaped(description),
            escaped(title)
        );
    }
    out + "</p>\n"
}
