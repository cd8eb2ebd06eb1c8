//! Links between the pages of the documentation lead somewhere.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use super::files::TextFile;

pub(crate) fn faults(root: &Path, files: &[TextFile]) -> Vec<String> {
    let mut faults = Vec::new();
    for file in files.iter().filter(|file| file.has_extension("md")) {
        for link in links(&file.text) {
            if let Some(reason) = broken(root, files, &file.path, &link) {
                faults.push(format!("{}: link {link}: {reason}", file.path));
            }
        }
    }
    faults
}

/// Targets of inline links and images that stay inside the repository.
fn links(markdown: &str) -> Vec<String> {
    let text = without_code(markdown);
    let mut found = Vec::new();
    for part in text.split("](").skip(1) {
        let Some((target, _)) = part.split_once(')') else { continue };
        let target = target.split_whitespace().next().unwrap_or_default();
        if !target.contains("://") && !target.starts_with("mailto:") {
            found.push(target.to_owned());
        }
    }
    found
}

/// The page without fenced blocks and code spans, in which brackets mean nothing.
fn without_code(markdown: &str) -> String {
    let mut text = String::new();
    let mut in_block = false;
    for line in markdown.lines() {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        } else if !in_block {
            text.extend(line.split('`').step_by(2));
            text.push('\n');
        }
    }
    text
}

fn broken(root: &Path, files: &[TextFile], page: &str, link: &str) -> Option<&'static str> {
    let (target, anchor) = link.split_once('#').unwrap_or((link, ""));
    let path = if target.is_empty() { page.into() } else { resolve(page, target)? };
    if !root.join(&path).exists() {
        return Some("there is no such file");
    }
    let target = files.iter().find(|file| Path::new(&file.path) == path);
    let headings = target.map(|file| anchors(&file.text)).unwrap_or_default();
    let is_page = path.extension().is_some_and(|extension| extension == "md");
    (is_page && !anchor.is_empty() && !headings.contains(anchor))
        .then_some("the page has no such heading")
}

/// The linked file from the root, or nothing when the link leads out of the repository, where the
/// reader may or may not have it.
fn resolve(page: &str, target: &str) -> Option<PathBuf> {
    let mut path = Path::new(page).parent().map(Path::to_owned).unwrap_or_default();
    for component in Path::new(target).components() {
        match component {
            Component::ParentDir if !path.pop() => return None,
            Component::Normal(name) => path.push(name),
            _ => {}
        }
    }
    Some(path)
}

/// Anchors of the headings of a page, made as GitHub makes them.
fn anchors(markdown: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut in_block = false;
    for line in markdown.lines() {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        } else if !in_block && line.starts_with('#') {
            let slug = slug(line.trim_start_matches('#').trim());
            let repeated = (1..).map(|number| format!("{slug}-{number}"));
            let mut names = std::iter::once(slug.clone()).chain(repeated);
            found.extend(names.find(|name| !found.contains(name)));
        }
    }
    found
}

fn slug(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect::<String>().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(page: &str) -> Vec<String> {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("docs/decisions")).unwrap();
        let other = "# Words, and `code`!\n\n## Words, and `code`!\n```\n# not a heading\n```\n";
        let files = [("docs/page.md", page), ("docs/decisions/other.md", other)]
            .map(|(path, text)| TextFile { path: path.into(), text: text.into() });
        for file in &files {
            std::fs::write(root.path().join(&file.path), &file.text).unwrap();
        }
        faults(root.path(), &files)
    }

    #[test]
    fn links_that_lead_somewhere_are_fine() {
        for page in [
            "[a](decisions/other.md) and [b](./decisions/../page.md \"title\")",
            "[c](decisions/other.md#words-and-code) [d](decisions/other.md#words-and-code-1)",
            "# Top\n[e](#top) [folder](decisions)",
            "[f](https://example.com/x) [g](mailto:a@b.example) [h](../../elsewhere/x.md)",
            "`[code](nowhere.md)`\n```\n[block](nowhere.md)\n```\n",
        ] {
            assert_eq!(check(page), [""; 0], "{page}");
        }
    }

    #[test]
    fn links_that_lead_nowhere_are_found() {
        for page in [
            "[a](nowhere.md)",
            "[a](../nowhere.md)",
            "![a](image.png)",
            "[a](#nothing)",
            "[a](decisions/other.md#words)",
            "[a](decisions/other.md#not-a-heading)",
        ] {
            assert_eq!(check(page).len(), 1, "{page}");
        }
    }
}
