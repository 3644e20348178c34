//! The pages that a person may meet: escaped, without script and without anything from elsewhere.

use std::{fmt::Write as _, sync::LazyLock};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};

/// One page: a headline, paragraphs, and what the person can do next.
#[derive(Debug)]
pub(crate) struct Page<'a> {
    pub(crate) title: &'a str,
    /// Paragraphs, in plain text.
    pub(crate) text: Vec<String>,
    /// A code to tell an administrator, in plain text.
    pub(crate) code: Option<&'a str>,
    pub(crate) actions: Vec<Action<'a>>,
}

/// What a person can do on a page.
#[derive(Debug)]
pub(crate) enum Action<'a> {
    /// Go somewhere by GET.
    Link { label: &'a str, href: String },
    /// Send a form by POST, with hidden fields.
    Post { label: &'a str, action: String, fields: Vec<(&'a str, String)> },
}

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#181c24;--soft:#5a6478;--ground:#f3f5f9;--card:#fff;--line:#dfe4ee;--main:#0b5cab}\
@media(prefers-color-scheme:dark){:root{--ink:#eef1f7;--soft:#a3adc2;--ground:#11141a;--card:#1a1f28;--line:#2d3442;--main:#6cb2ff}}\
*{box-sizing:border-box}body{margin:0;min-height:100vh;display:grid;place-items:center;padding:24px;\
background:var(--ground);color:var(--ink);font:16px/1.55 system-ui,-apple-system,'Segoe UI',Roboto,sans-serif}\
main{width:100%;max-width:32rem;background:var(--card);border:1px solid var(--line);border-radius:14px;\
padding:2rem 2rem 1.75rem;box-shadow:0 12px 32px rgba(10,20,40,.08)}\
h1{font-size:1.35rem;line-height:1.3;margin:0 0 .75rem}p{margin:0 0 .85rem;color:var(--soft)}\
.code{font:13px/1.4 ui-monospace,Consolas,monospace;background:var(--ground);border:1px solid var(--line);\
border-radius:6px;padding:.15rem .45rem;color:var(--ink);overflow-wrap:anywhere}\
.actions{display:flex;flex-wrap:wrap;gap:.6rem;margin-top:1.4rem}form{margin:0}\
.button{display:inline-block;border:1px solid var(--main);border-radius:8px;padding:.55rem 1.05rem;font:inherit;\
font-weight:600;text-decoration:none;cursor:pointer;color:var(--main);background:none}\
.actions>:first-child .button,.actions>.button:first-child{background:var(--main);color:var(--card)}";

/// No script, no resource, no frame; the one style sheet of the pages by its hash.
///
/// Without `form-action`: browsers hold it against every redirect that follows a form, and from our logout form the way
/// may lead over a protected page to Salesforce's login.
pub(crate) fn content_security_policy() -> &'static str {
    static POLICY: LazyLock<String> = LazyLock::new(|| {
        let hash = STANDARD.encode(Sha256::digest(STYLE.as_bytes()));
        format!("default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; frame-ancestors 'none'")
    });
    &POLICY
}

impl Page<'_> {
    /// The page as HTML.
    pub(crate) fn render(&self) -> String {
        let mut html = String::with_capacity(STYLE.len() + 1024);
        // Writing to a String does not fail.
        let _ = self.write(&mut html);
        html
    }

    fn write(&self, html: &mut String) -> std::fmt::Result {
        let title = escape(self.title);
        write!(
            html,
            "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
             <title>{title}</title><style>{STYLE}</style></head><body><main><h1>{title}</h1>"
        )?;
        for text in &self.text {
            write!(html, "<p>{}</p>", escape(text))?;
        }
        if let Some(code) = self.code {
            write!(html, "<p>Salesforce calls this <span class=\"code\">{}</span></p>", escape(code))?;
        }
        html.push_str("<div class=\"actions\">");
        for action in &self.actions {
            match action {
                Action::Link { label, href } => {
                    write!(html, "<a class=\"button\" href=\"{}\">{}</a>", escape(href), escape(label))?;
                }
                Action::Post { label, action, fields } => {
                    write!(html, "<form method=\"post\" action=\"{}\">", escape(action))?;
                    for (name, value) in fields {
                        write!(
                            html,
                            "<input type=\"hidden\" name=\"{}\" value=\"{}\">",
                            escape(name),
                            escape(value)
                        )?;
                    }
                    write!(html, "<button class=\"button\">{}</button></form>", escape(label))?;
                }
            }
        }
        html.push_str("</div></main></body></html>");
        Ok(())
    }
}

/// Escapes for HTML text and for attribute values in double quotes.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_given_to_a_page_becomes_markup() {
        let evil = "\"><script>alert('1')</script>&";
        let html = Page {
            title: evil,
            text: vec![evil.to_owned()],
            code: Some(evil),
            actions: vec![
                Action::Link { label: evil, href: evil.to_owned() },
                Action::Post { label: evil, action: evil.to_owned(), fields: vec![(evil, evil.to_owned())] },
            ],
        }
        .render();
        assert!(!html.contains("<script") && !html.contains("alert('1')"), "{html}");
        assert_eq!(html.matches("&quot;&gt;&lt;script&gt;").count(), 10, "{html}");
    }
}
