//! Texts of an org as doc comments.

/// Where a line of a comment wraps, in characters.
const WIDTH: usize = 90;

/// Returns the lines of a comment that shows the text as it is, whatever it contains.
///
/// rustdoc reads Markdown: an indented line would be a doctest, `[name]` a link, `<b>` a tag.
pub(super) fn lines(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for paragraph in text.lines() {
        let mut line = String::new();
        for word in paragraph.split_whitespace().map(word).filter(|word| !word.is_empty()) {
            if !line.is_empty() && line.chars().count() + word.chars().count() >= WIDTH {
                lines.push(std::mem::take(&mut line));
            }
            if line.is_empty() {
                line = beginning(&word);
            } else {
                line.push(' ');
                line.push_str(&word);
            }
        }
        // Empty lines separate paragraphs: one is enough.
        if !line.is_empty() || lines.last().is_some_and(|last| !last.is_empty()) {
            lines.push(line);
        }
    }
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines
}

/// Returns sentences of this program, which are Markdown, as one line.
pub(super) fn lines_of_facts(facts: &[String]) -> Vec<String> {
    if facts.is_empty() { Vec::new() } else { vec![facts.join(" ")] }
}

fn word(word: &str) -> String {
    // rustc rejects comments with signs that change the direction of the text.
    let is_shown =
        |c: &char| !c.is_control() && !matches!(*c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let shown: String = word.chars().filter(is_shown).collect();
    if shown.starts_with("https://") || shown.starts_with("http://") {
        let end = shown.trim_end_matches(['.', ',', ')', ';', ':']);
        if !end.contains(['<', '>']) {
            return format!("<{end}>{}", shown.get(end.len()..).unwrap_or_default());
        }
    }
    let mut escaped = String::new();
    let mut letters = shown.chars().peekable();
    let mut before = ' ';
    while let Some(letter) = letters.next() {
        // An underscore inside of a word is one.
        let is_inside = letter == '_'
            && before.is_alphanumeric()
            && letters.peek().is_some_and(|next| next.is_alphanumeric());
        before = letter;
        // `&amp;` and `&#38;` are signs, a lonely `&` is one already.
        let is_entity =
            letter == '&' && letters.peek().is_some_and(|next| next.is_alphanumeric() || *next == '#');
        if !is_inside
            && (is_entity || matches!(letter, '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '~'))
        {
            escaped.push('\\');
        }
        escaped.push(letter);
    }
    escaped.replace("://", ":\\//")
}

/// The first word of a line. Some signs would begin a heading, a list or a rule there.
fn beginning(word: &str) -> String {
    let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    match word.strip_suffix(['.', ')']) {
        Some(number) if is_number(number) => {
            format!("{number}\\{}", word.get(number.len()..).unwrap_or_default())
        }
        _ if word.starts_with(['#', '-', '+', '=']) => format!("\\{word}"),
        _ => word.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_of_a_help_text_is_text() {
        for (text, expected) in [
            ("Use [this] or <b>that</b>", r"Use \[this\] or \<b\>that\</b\>"),
            ("    let x = 1;", "let x = 1;"),
            ("# Not a heading", r"\# Not a heading"),
            ("1. not a list", r"1\. not a list"),
            ("see https://example.com/a_b.", "see <https://example.com/a_b>."),
            ("Food & Beverage &amp; more", r"Food & Beverage \&amp; more"),
            ("a\u{202e}b\u{7}", "ab"),
        ] {
            assert_eq!(lines(text), [expected]);
        }
        assert_eq!(lines("one\r\n\r\n\r\ntwo\n"), ["one", "", "two"]);
    }

    #[test]
    fn long_texts_wrap() {
        let wrapped = lines(&"word ".repeat(100));
        assert!(wrapped.len() > 4 && wrapped.iter().all(|line| line.len() <= WIDTH), "{wrapped:?}");
    }
}
