//! Rules for the packages of the workspace.

use std::fs;
use std::path::Path;

use toml::Table;

use super::{report, root};

/// A member of the workspace.
struct Package {
    name: String,
    manifest: Table,
}

fn packages() -> Vec<Package> {
    let workspace = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let workspace: Table = workspace.parse().unwrap();
    let members = workspace["workspace"]["members"].as_array().unwrap();
    let read = |member: &toml::Value| {
        let name = member.as_str().unwrap().to_owned();
        let manifest = fs::read_to_string(root().join(&name).join("Cargo.toml")).unwrap();
        Package { name, manifest: manifest.parse().unwrap() }
    };
    members.iter().map(read).collect()
}

fn text_of(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

#[test]
fn every_package_has_a_description_a_readme_and_the_licences() {
    let mut violations = Vec::new();
    for Package { name, manifest } in packages() {
        let package = &manifest["package"];
        let description = package.get("description").and_then(toml::Value::as_str);
        if description.is_none_or(|text| text.len() < 30) {
            violations.push(format!("{name}: no description"));
        }
        if package["license"].get("workspace").is_none() {
            violations.push(format!("{name}: the licence is not the workspace's"));
        }
        let readme = text_of(&root().join(&name).join("README.md"));
        if !readme.starts_with(&format!("# {name}\n")) || readme.lines().count() < 10 {
            violations.push(format!("{name}: no README.md with a title and a text"));
        }
        let published = package.get("publish").and_then(toml::Value::as_bool) != Some(false);
        for licence in ["LICENSE-APACHE", "LICENSE-MIT"] {
            let text = text_of(&root().join(licence));
            assert!(text.len() > 1000, "{licence} is missing or empty");
            if published && text_of(&root().join(&name).join(licence)) != text {
                violations.push(format!("{name}: {licence} differs from the workspace's"));
            }
        }
        if published && package.get("readme").is_none() {
            violations.push(format!("{name}: its Cargo.toml names no readme"));
        }
    }
    report("incomplete packages", &violations);
}

/// The root manifest states the reason for each dependency in a comment above it.
#[test]
fn every_dependency_has_a_reason() {
    let text = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let (_, dependencies) = text.split_once("[workspace.dependencies]\n").unwrap();
    let (dependencies, _) = dependencies.split_once("\n[").unwrap();
    let mut violations = Vec::new();
    let mut previous = "";
    for line in dependencies.lines().filter(|line| !line.is_empty()) {
        let is_ours = line.contains("path = ");
        if !line.starts_with('#') && !is_ours && !previous.starts_with('#') {
            violations.push(line.to_owned());
        }
        previous = line;
    }
    report("dependencies without a reason", &violations);

    let shared = ["dependencies", "dev-dependencies", "build-dependencies"];
    for Package { name, manifest } in packages() {
        for table in shared.iter().filter_map(|table| manifest.get(*table)?.as_table()) {
            for (dependency, value) in table {
                let is_itself = *dependency == name;
                if value.get("workspace").is_none() && !is_itself {
                    violations.push(format!("{name}: {dependency}"));
                }
            }
        }
    }
    report("dependencies that are not declared in the workspace", &violations);
}
