//! The page in headless Chromium, if it is installed.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use raft_testkit::swarm::Swarm;
use raft_testkit::trace::format::Format;
use raft_testkit::trace::record::{CommandOutcome, Trace};
use serde_json::Value;

use super::hand_written::{TraceBuilder, rewrite};

/// Uses the controls of the page, and writes what the page then shows.
const READER: &str = r##"<pre id="check"></pre><script>
const text = (id) => document.getElementById(id).textContent;
const seen = {
  drawn: Number(document.documentElement.dataset.drawn),
  lines: document.querySelectorAll(".line").length,
  lifelines: document.querySelectorAll("rect.role-leader, rect.role-follower").length,
  bands: document.querySelectorAll(".band").length,
  headings: document.querySelectorAll(".heading").length,
};
const press = (element) => element.dispatchEvent(new MouseEvent("click", { bubbles: true }));
press(document.querySelector("#e7") ?? document.querySelector(".line"));
seen.clicked = text("panel");
seen.hash = location.hash;
const slider = document.getElementById("time");
slider.value = slider.max;
slider.dispatchEvent(new Event("input"));
seen.end = text("panel");
seen.last = document.querySelector(".chosen").id;
press(document.getElementById("fold"));
seen.folded = document.querySelectorAll(".line").length;
press(document.getElementById("fold"));
press(document.querySelector(".heading"));
seen.closed = document.querySelector(".heading").getAttribute("aria-expanded");
const begin = performance.now();
for (const value of [0.2, 0.4, 0.6, 0.8]) {
  slider.value = Math.round(slider.max * value);
  slider.dispatchEvent(new Event("input"));
}
document.body.getBoundingClientRect();
seen.jump = (performance.now() - begin) / 4;
const ground = () => getComputedStyle(document.body).backgroundColor;
const before = ground();
press(document.getElementById("theme"));
seen.themed = before !== ground();
seen.outside = performance.getEntriesByType("resource").length;
document.getElementById("check").textContent = JSON.stringify(seen);
</script></body>"##;

fn browser() -> Option<&'static str> {
    let known = ["chromium", "chromium-browser", "google-chrome", "chrome"];
    known.into_iter().find(|name| Command::new(name).arg("--version").output().is_ok())
}

/// What the page shows, or `None` if no browser is installed.
fn read_page(trace: &Trace) -> Option<Value> {
    let Some(browser) = browser() else {
        // Written to standard error itself, because the test harness captures `eprintln!`.
        let _ = std::io::stderr()
            .write_all(b"skipped a page in a browser: chromium is not installed\n");
        return None;
    };
    let directory = tempfile::tempdir().expect("a temporary directory");
    let page = Format::Html.render(trace).replace("</body>", READER);
    let path = directory.path().join("page.html");
    std::fs::write(&path, page).expect("the directory takes a file");
    let dom = dump(browser, directory.path(), &path);
    let (_, after) = dom.split_once("<pre id=\"check\">").expect("the page has the element");
    let (json, _) = after.split_once("</pre>").expect("the element ends");
    let json = json.replace("&gt;", ">").replace("&lt;", "<").replace("&amp;", "&");
    Some(serde_json::from_str(&json).unwrap_or_else(|error| panic!("{error} in {json}")))
}

fn dump(browser: &str, directory: &Path, page: &Path) -> String {
    let output = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .arg(format!("--user-data-dir={}", directory.join("profile").display()))
        .args(["--window-size=1400,900", "--dump-dom"])
        .arg(format!("file://{}", page.display()))
        .output()
        .expect("the browser starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    String::from_utf8(output.stdout).expect("a page is UTF-8")
}

#[test]
fn the_page_shows_lifelines_sections_messages_and_states() {
    let trace = rewrite();
    let Some(seen) = read_page(&trace) else { return };
    let text = |key: &str| seen[key].as_str().unwrap().to_owned();
    assert!(seen["lines"].as_u64().unwrap() > 20, "{seen}");
    assert!(seen["lifelines"].as_u64().unwrap() >= 3, "{seen}");
    assert!(seen["headings"].as_u64().unwrap() >= 1, "{seen}");
    assert_eq!(text("hash"), "#e7");
    assert!(text("clicked").contains("sends to n2: pre-vote request for term 1"), "{seen}");
    assert!(text("clicked").contains("causes") && text("clicked").contains("effects"), "{seen}");
    assert!(text("end").contains("nodes at #116"), "{seen}");
    assert!(text("end").contains("n2leader2n2n24@t2"), "the table of nodes, {seen}");
    assert_eq!(text("last"), "e116");
    assert_eq!(seen["folded"], 3, "only the records before the first section remain");
    assert_eq!(text("closed"), "false");
    assert_eq!(seen["themed"], true);
    assert_eq!(seen["outside"], 0, "nothing is loaded");
}

#[test]
fn ten_thousand_records_are_drawn_within_a_second() {
    let trace = long();
    assert!(trace.records.len() >= 10_000);
    let Some(seen) = read_page(&trace) else { return };
    println!(
        "{} records: drawn {} ms after navigation began, {} ms for a jump",
        trace.records.len(),
        seen["drawn"],
        seen["jump"]
    );
    assert!(seen["drawn"].as_f64().unwrap() <= 1000.0, "{seen}");
    assert!(seen["jump"].as_f64().unwrap() <= 250.0, "a jump of the slider, {seen}");
}

fn long() -> Trace {
    let mut builder = TraceBuilder::new(3, "long");
    builder.start_all();
    builder.section("n1 is elected", &[], &[]);
    builder.elect(1, &[2, 3], &[2, 3]);
    while builder.next() <= 10_000 {
        if builder.next().is_multiple_of(40) {
            builder.section("more commands", &[], &[]);
        }
        let command = builder.command(1, "add 1");
        builder.replicate(1, &[2, 3]);
        builder.done(1, command, CommandOutcome::Applied("1".to_owned()));
    }
    builder.trace()
}

#[test]
fn text_of_a_trace_does_not_end_the_script_of_the_page() {
    let mut builder = TraceBuilder::new(1, "x</script><script>alert(1)</script>");
    builder.section("<!--<script>", &[], &[]);
    builder.crash(1);
    let page = Format::Html.render(&builder.trace());
    assert_eq!(page.matches("</script>").count(), 2, "the ends of the data and of the script");
    assert!(!page.contains("<!--<script>"));
    assert!(!page.contains("http://") || page.matches("http://").count() == 1, "the SVG namespace");
    assert!(!page.contains("https://") && !page.contains("src="), "the page loads nothing");
}

#[test]
fn the_page_shows_a_random_run_with_every_fault() {
    let trace = Swarm::of_seeds(0..1).replay(8).trace();
    let Some(seen) = read_page(&trace) else { return };
    println!("{} records: {seen}", trace.records.len());
    assert!(seen["drawn"].as_f64().unwrap() <= 1000.0, "{seen}");
    assert_eq!(seen["themed"], true, "every control works: {seen}");
}
