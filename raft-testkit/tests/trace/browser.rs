//! The page in a real browser, where there is one: headless Chromium.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use raft_testkit::swarm::Swarm;
use raft_testkit::trace::format::Format;
use raft_testkit::trace::record::{CommandOutcome, Trace};
use serde_json::Value;

use super::play::{Play, rewrite};

/// Presses what a reader would press, and writes down what the page then shows.
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

/// What the page shows to a reader, or `None` where there is no browser.
fn read_page(trace: &Trace) -> Option<Value> {
    let Some(browser) = browser() else {
        // Straight to the terminal: the test harness would keep it to itself.
        let _ = std::io::stderr().write_all(b"skipped a page in a browser: no chromium here\n");
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
fn the_page_shows_lanes_sections_messages_and_state_to_who_clicks() {
    let trace = rewrite();
    let Some(seen) = read_page(&trace) else { return };
    let text = |key: &str| seen[key].as_str().unwrap().to_owned();
    assert!(seen["lines"].as_u64().unwrap() > 20, "{seen}");
    assert!(seen["lifelines"].as_u64().unwrap() >= 3, "{seen}");
    assert!(seen["headings"].as_u64().unwrap() >= 1, "{seen}");
    assert_eq!(text("hash"), "#e7");
    assert!(text("clicked").contains("sends to n2: pre-vote? for term 1"), "{seen}");
    assert!(text("clicked").contains("because of") && text("clicked").contains("led to"), "{seen}");
    assert!(text("end").contains("nodes at #116"), "{seen}");
    assert!(text("end").contains("n2leader2n2n24@t2"), "the table of nodes, {seen}");
    assert_eq!(text("last"), "e116");
    assert_eq!(seen["folded"], 3, "only what lies before the first section is left");
    assert_eq!(text("closed"), "false");
    assert_eq!(seen["themed"], true);
    assert_eq!(seen["outside"], 0, "nothing is fetched");
}

#[test]
fn ten_thousand_events_are_drawn_within_a_second() {
    let trace = long();
    assert!(trace.records.len() >= 10_000);
    let Some(seen) = read_page(&trace) else { return };
    println!(
        "{} events: drawn {} ms after navigation began, {} ms for a jump",
        trace.records.len(),
        seen["drawn"],
        seen["jump"]
    );
    assert!(seen["drawn"].as_f64().unwrap() <= 1000.0, "{seen}");
    assert!(seen["jump"].as_f64().unwrap() <= 250.0, "a jump of the slider, {seen}");
}

fn long() -> Trace {
    let mut play = Play::new(3, "long");
    play.start_all();
    play.section("n1 is elected", &[], &[]);
    play.elect(1, &[2, 3], &[2, 3]);
    while play.next() <= 10_000 {
        if play.next().is_multiple_of(40) {
            play.section("more of the same", &[], &[]);
        }
        let command = play.command(1, "add 1");
        play.replicate(1, &[2, 3]);
        play.done(1, command, CommandOutcome::Applied("1".to_owned()));
    }
    play.trace()
}

#[test]
fn text_from_a_trace_never_ends_the_pages_script() {
    let mut play = Play::new(1, "x</script><script>alert(1)</script>");
    play.section("<!--<script>", &[], &[]);
    play.crash(1);
    let page = Format::Html.render(&play.trace());
    assert_eq!(page.matches("</script>").count(), 2, "the data's end and the script's");
    assert!(!page.contains("<!--<script>"));
    assert!(!page.contains("http://") || page.matches("http://").count() == 1, "the SVG namespace");
    assert!(!page.contains("https://") && !page.contains("src="), "nothing comes from outside");
}

#[test]
fn a_random_run_with_every_fault_opens_in_the_page() {
    let trace = Swarm::of_seeds(0..1).replay(8).trace();
    let Some(seen) = read_page(&trace) else { return };
    println!("{} events: {seen}", trace.records.len());
    assert!(seen["drawn"].as_f64().unwrap() <= 1000.0, "{seen}");
    assert_eq!(seen["themed"], true, "the page works to the end: {seen}");
}
