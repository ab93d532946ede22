//! No import cycles between the files of a crate.

use std::collections::{BTreeMap, BTreeSet};

use super::{SourceFile, files, report};

/// A module as its path in the crate: `["role", "leader"]`.
type Module = Vec<String>;

/// The files of one crate and the names that their modules re-export.
struct Crate {
    texts: BTreeMap<Module, String>,
    reexports: BTreeMap<Module, BTreeMap<String, Vec<String>>>,
}

impl Crate {
    /// Reads the files below one `src` directory. Unit tests do not count.
    fn of(src: &str, files: &[SourceFile]) -> Self {
        let mut texts = BTreeMap::new();
        let mut reexports = BTreeMap::<Module, BTreeMap<String, Vec<String>>>::new();
        let of_crate = |file: &&SourceFile| source_root(&file.path).as_deref() == Some(src);
        for file in files.iter().filter(of_crate) {
            let path = file.path[src.len()..].trim_end_matches(".rs");
            let mut module: Module = path.split('/').map(str::to_owned).collect();
            let is_face =
                module.last().is_some_and(|name| ["mod", "lib", "main"].contains(&&**name));
            if is_face {
                module.pop();
            }
            let text = file.text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
            for (public, path) in imports(text) {
                if public && let Some(name) = path.last().cloned() {
                    reexports.entry(module.clone()).or_default().insert(name, path);
                }
            }
            texts.insert(module, text.to_owned());
        }
        Self { texts, reexports }
    }

    /// The module that defines what a path names, seen from another module of the crate.
    fn resolve(&self, from: &Module, path: &[String], depth: usize) -> Option<Module> {
        let mut rest = path;
        let mut module = match path.first()?.as_str() {
            "crate" => Vec::new(),
            "self" | "super" => from.clone(),
            name => {
                let child = [from.as_slice(), &[name.to_owned()]].concat();
                return (self.texts.contains_key(&child) && depth < 8)
                    .then(|| self.resolve_in(child, &path[1..], depth))
                    .flatten();
            }
        };
        if ["crate", "self"].contains(&path[0].as_str()) {
            rest = &rest[1..];
        }
        while rest.first().is_some_and(|name| name == "super") {
            module.pop();
            rest = &rest[1..];
        }
        self.resolve_in(module, rest, depth)
    }

    fn resolve_in(&self, mut module: Module, mut rest: &[String], depth: usize) -> Option<Module> {
        while let Some((name, after)) = rest.split_first() {
            let child = [module.as_slice(), std::slice::from_ref(name)].concat();
            if !self.texts.contains_key(&child) {
                break;
            }
            module = child;
            rest = after;
        }
        let reexport = rest.first().and_then(|name| self.reexports.get(&module)?.get(name));
        match reexport {
            Some(path) if depth < 8 => self.resolve(&module, path, depth + 1).or(Some(module)),
            Some(_) | None => Some(module),
        }
    }

    /// Which module imports from which others.
    fn edges(&self) -> BTreeMap<&Module, BTreeSet<Module>> {
        let edges_of = |module, text: &String| {
            let private = imports(text).into_iter().filter(|(public, _)| !public);
            let targets = private.filter_map(|(_, path)| self.resolve(module, &path, 0));
            targets.filter(|target| target != module).collect()
        };
        self.texts.iter().map(|(module, text)| (module, edges_of(module, text))).collect()
    }
}

/// The directory of the root module of the crate that a file belongs to.
fn source_root(path: &str) -> Option<String> {
    let (package, inside) = path.split_once("/src/")?;
    match inside.strip_prefix("bin/").and_then(|inside| inside.split_once('/')) {
        Some((program, _)) => Some(format!("{package}/src/bin/{program}/")),
        None => Some(format!("{package}/src/")),
    }
}

/// The paths of all `use` items, and whether each is public.
fn imports(text: &str) -> Vec<(bool, Vec<String>)> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("use ") {
        let line_start = rest[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let before = rest[line_start..start].trim();
        let is_item = before.is_empty() || (before.starts_with("pub") && !before.contains("//"));
        rest = &rest[start + "use ".len()..];
        if let (true, Some(end)) = (is_item, rest.find(';')) {
            for path in paths_of(&rest[..end]) {
                found.push((before.starts_with("pub"), path));
            }
            rest = &rest[end..];
        }
    }
    found
}

/// The paths in a tree of imports: `a::{b, c::d}` contains `a::b` and `a::c::d`.
fn paths_of(tree: &str) -> Vec<Vec<String>> {
    let words = |text: &str| -> Vec<String> {
        let names =
            text.split("::").map(|name| name.split(" as ").next().unwrap_or_default().trim());
        names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
    };
    let Some((head, rest)) = tree.split_once('{') else { return vec![words(tree)] };
    let inside = rest.rsplit_once('}').map_or(rest, |(inside, _)| inside);
    let mut depth = 0;
    let branches = inside.split(|char| {
        depth += i32::from(char == '{') - i32::from(char == '}');
        char == ',' && depth == 0
    });
    let branches = branches.filter(|branch| !branch.trim().is_empty());
    let with_head = |path: Vec<String>| [words(head), path].concat();
    branches.flat_map(paths_of).map(with_head).collect()
}

/// The modules that a module reaches over imports.
fn reachable<'a>(
    edges: &'a BTreeMap<&Module, BTreeSet<Module>>,
    from: &'a Module,
) -> BTreeSet<&'a Module> {
    let mut reached = BTreeSet::new();
    let mut pending = vec![from];
    while let Some(module) = pending.pop() {
        for target in edges.get(module).into_iter().flatten() {
            if reached.insert(target) {
                pending.push(target);
            }
        }
    }
    reached
}

/// The modules of a crate that are part of a cycle.
fn cyclic(krate: &Crate) -> Vec<String> {
    let edges = krate.edges();
    let modules = edges.keys().filter(|module| reachable(&edges, module).contains(**module));
    modules.map(|module| module.join("/")).collect()
}

#[test]
fn no_files_of_a_crate_import_each_other_in_a_cycle() {
    let files = files(&[".rs"]);
    let mut sources: Vec<String> = files
        .iter()
        .filter_map(|file| source_root(&file.path))
        .filter(|src| !src.starts_with("bench/"))
        .collect();
    sources.dedup();
    assert!(sources.len() >= 6, "{sources:?}");
    let mut violations = Vec::new();
    for src in sources {
        let modules = cyclic(&Crate::of(&src, &files));
        if !modules.is_empty() {
            violations.push(format!("{src}: {}", modules.join(", ")));
        }
    }
    report("import cycles", &violations);
}

#[test]
fn a_cycle_over_a_reexport_is_found() {
    let file = |path: &str, text: &str| SourceFile { path: path.to_owned(), text: text.to_owned() };
    let mut files = vec![
        file("x/src/lib.rs", "mod a;\nmod b;\npub use a::A;\npub use b::B;\n"),
        file("x/src/a.rs", "use crate::B;\npub struct A(B);\n"),
        file("x/src/b.rs", "use std::fmt;\n\nuse super::{\n    A,\n};\n"),
    ];
    assert_eq!(cyclic(&Crate::of("x/src/", &files)), ["a", "b"]);
    files[2] = file("x/src/b.rs", "use std::fmt;\n#[cfg(test)]\nmod tests { use super::A; }\n");
    assert_eq!(cyclic(&Crate::of("x/src/", &files)), Vec::<String>::new());
}
