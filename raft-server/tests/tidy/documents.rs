//! Rules for the documents: links lead somewhere, files exist, commands parse.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{SourceFile, files, report, root};

const SERVER: &str = env!("CARGO_BIN_EXE_raft-server");

fn documents() -> Vec<SourceFile> {
    files(&[".md"])
}

/// A piece of code in a document.
struct Code {
    line: usize,
    text: String,
}

/// The lines of fenced blocks that a reader types, and all spans of code.
fn code_in(document: &SourceFile) -> Vec<Code> {
    let mut found = Vec::new();
    let mut block = None;
    let mut prose = String::new();
    for (number, line) in document.text.lines().enumerate() {
        let fence = line.trim_start().strip_prefix("```");
        match (fence, &block) {
            (Some(_), Some(_)) => block = None,
            (Some(language), None) => block = Some(language.to_owned()),
            (None, Some(language)) if ["", "sh", "console"].contains(&language.as_str()) => {
                let text = line.trim().trim_start_matches("$ ").to_owned();
                found.push(Code { line: number + 1, text });
            }
            (None, Some(_)) => {}
            (None, None) => prose += line,
        }
        prose.push('\n');
    }
    // A span may continue on the next line.
    let mut line = 1;
    for (number, part) in prose.split('`').enumerate() {
        if number % 2 == 1 {
            let text = part.split_whitespace().collect::<Vec<_>>().join(" ");
            found.push(Code { line, text });
        }
        line += part.matches('\n').count();
    }
    found
}

#[test]
fn links_lead_to_files_and_headings_that_exist() {
    let mut violations = Vec::new();
    for document in documents() {
        let path = root().join(&document.path);
        for (number, line) in document.text.lines().enumerate() {
            for link in line.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
                if !link.contains("://") && !leads_somewhere(&path, link) {
                    violations.push(format!("{}:{}: {link}", document.path, number + 1));
                }
            }
        }
    }
    report("links that lead nowhere", &violations);
}

fn leads_somewhere(document: &Path, link: &str) -> bool {
    let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
    let target = if file.is_empty() {
        document.to_owned()
    } else {
        document.parent().expect("a file is in a directory").join(file)
    };
    if anchor.is_empty() {
        return target.exists();
    }
    let text = std::fs::read_to_string(target).unwrap_or_default();
    text.lines().filter(|line| line.starts_with('#')).any(|heading| slug(heading) == anchor)
}

/// The anchor of a heading.
fn slug(heading: &str) -> String {
    let words = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = words.chars().filter(|char| char.is_alphanumeric() || " -_".contains(*char));
    kept.map(|char| if char == ' ' { '-' } else { char }).collect()
}

#[test]
fn paths_in_documents_exist() {
    let top: Vec<String> = std::fs::read_dir(root())
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap() + "/")
        .collect();
    let sources: Vec<PathBuf> =
        files(&[".rs"]).iter().map(|file| PathBuf::from(&file.path)).collect();
    let mut violations = Vec::new();
    for document in documents().iter().filter(|document| document.path != "CHANGELOG.md") {
        for code in code_in(document) {
            let is_path = code.text.contains('/')
                && !code.text.contains([' ', '<', '*', ':', '$'])
                && !code.text.starts_with('/');
            let exists = if top.iter().any(|directory| code.text.starts_with(directory.as_str())) {
                code.text.contains('{') || root().join(&code.text).exists()
            } else if document.path == "ARCHITECTURE.md" {
                is_module(&sources, &code.text)
            } else {
                true
            };
            if is_path && !exists {
                violations.push(format!("{}:{}: {}", document.path, code.line, code.text));
            }
        }
    }
    report("paths that do not exist", &violations);
}

/// Whether a path without its crate and ending names a module: `role/leader/commit`.
fn is_module(sources: &[PathBuf], path: &str) -> bool {
    let file = format!("{path}.rs");
    let directory = PathBuf::from(path).join("mod.rs");
    sources.iter().any(|source| source.ends_with(&file) || source.ends_with(&directory))
}

#[test]
fn commands_in_documents_parse() {
    let makefile = std::fs::read_to_string(root().join("Makefile")).unwrap();
    let mut checked = 0;
    let mut violations = Vec::new();
    for document in documents().iter().filter(|document| document.path != "CHANGELOG.md") {
        for code in code_in(document) {
            let words = words_of_command(&code.text);
            let Some((program, arguments)) = words.split_first() else { continue };
            let outcome = match program.as_str() {
                "make" => check_make(&makefile, arguments),
                "cargo" => check_cargo(arguments),
                "raft-server" if !arguments.is_empty() => {
                    check_program(Path::new(SERVER), arguments)
                }
                "raft-testkit" if !arguments.is_empty() => {
                    check_program(&Path::new(SERVER).with_file_name("raft-testkit"), arguments)
                }
                _ => continue,
            };
            checked += 1;
            if let Err(problem) = outcome {
                violations
                    .push(format!("{}:{}: {}: {problem}", document.path, code.line, code.text));
            }
        }
    }
    assert!(checked > 20, "only {checked} commands were found");
    report("commands that do not work", &violations);
}

/// The words of a command without comments, variables in front and parts that are optional (`[...]`).
fn words_of_command(text: &str) -> Vec<String> {
    let text = text.split(" #").next().unwrap_or_default();
    let mut words = Vec::new();
    for (number, part) in text.split(['"', '\'']).enumerate() {
        if number % 2 == 1 {
            words.push(part.to_owned());
        } else {
            let required = part.split('[').map(|piece| piece.rsplit(']').next().unwrap_or(piece));
            let plain = required.flat_map(str::split_whitespace);
            words.extend(plain.filter(|word| !["...", "\\"].contains(word)).map(str::to_owned));
        }
    }
    // Alternatives: the first one.
    if let Some(end) = words.iter().position(|word| word == "|" || word == "&&") {
        words.truncate(end);
    }
    let is_variable = |word: &String| {
        word.split_once('=').is_some_and(|(name, _)| {
            !name.is_empty() && name.chars().all(|char| char.is_ascii_uppercase() || char == '_')
        })
    };
    let variables = words.iter().take_while(|word| is_variable(word)).count();
    words.split_off(variables)
}

fn check_make(makefile: &str, arguments: &[String]) -> Result<(), String> {
    for target in arguments.iter().filter(|argument| !argument.contains('=')) {
        let rule = format!("{target}:");
        if !makefile.lines().any(|line| line.starts_with(&rule)) {
            return Err(format!("no target {target}"));
        }
    }
    Ok(())
}

/// Packages, examples and binaries that are named exist.
fn check_cargo(arguments: &[String]) -> Result<(), String> {
    let arguments = arguments.split(|argument| argument == "--").next().unwrap_or_default();
    let named = |flag: &str| {
        let position = arguments.iter().position(|argument| argument == flag)?;
        arguments.get(position + 1).cloned()
    };
    let package = named("-p");
    let package = package.as_deref();
    if let Some(package) = package
        && !root().join(package).join("Cargo.toml").exists()
    {
        return Err(format!("no package {package}"));
    }
    if let Some(example) = named("--example") {
        let file = format!("examples/{example}.rs");
        let package = package.ok_or("an example without its package")?;
        if !root().join(package).join(file).exists() {
            return Err(format!("no example {example}"));
        }
    }
    if let Some(binary) = named("--bin") {
        let package = package.ok_or("a binary without its package")?;
        let manifest = std::fs::read_to_string(root().join(package).join("Cargo.toml")).unwrap();
        if !manifest.contains(&format!("name = \"{binary}\"")) {
            return Err(format!("no binary {binary}"));
        }
    }
    Ok(())
}

/// With `--help` behind the arguments a program parses them and does nothing.
fn check_program(program: &Path, arguments: &[String]) -> Result<(), String> {
    let output = Command::new(program)
        .args(arguments)
        .arg("--help")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{}: {error}", program.display()))?;
    if output.status.success() {
        Ok(())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).lines().take(3).collect::<Vec<_>>().join(" "))
    }
}

#[test]
fn commands_are_found_in_blocks_and_in_text() {
    let text = "Run `raft-server\nstatus` or:\n\n```sh\n$ A=1 make test   # all\n```\n";
    let document = SourceFile { path: "x.md".to_owned(), text: text.to_owned() };
    let commands: Vec<_> =
        code_in(&document).iter().map(|code| words_of_command(&code.text).join(" ")).collect();
    assert_eq!(commands, ["make test", "raft-server status"]);
    assert!(check_make("test: build\n", &["test".to_owned()]).is_ok());
    assert!(check_make("test: build\n", &["tset".to_owned()]).is_err());
    assert!(check_program(Path::new(SERVER), &["status".to_owned()]).is_ok());
    assert!(check_program(Path::new(SERVER), &["statsu".to_owned()]).is_err());
}
