//! Pages as HTML: escaped, without script and without resources from elsewhere.

use std::sync::LazyLock;

use actix_web::http::header::{HeaderValue, InvalidHeaderValue};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};

use super::{Action, LoginPage, PageTexts};

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#181c24;--soft:#5a6478;--ground:#f3f5f9;--card:#fff;--line:#dfe4ee;--main:#0b5cab}\
@media(prefers-color-scheme:dark){:root{--ink:#eef1f7;--soft:#a3adc2;--ground:#11141a;--card:#1a1f28;--line:#2d3442;--main:#6cb2ff}}\
*{box-sizing:border-box}body{margin:0;min-height:100vh;display:grid;place-items:center;padding:24px;\
background:var(--ground);color:var(--ink);font:16px/1.55 system-ui,-apple-system,'Segoe UI',Roboto,sans-serif}\
main{width:100%;max-width:32rem;background:var(--card);border:1px solid var(--line);border-radius:14px;\
padding:2rem 2rem 1.75rem;box-shadow:0 12px 32px rgba(10,20,40,.08)}\
h1{font-size:1.35rem;line-height:1.3;margin:0 0 .75rem}p{margin:0 0 .85rem;color:var(--soft)}\
dl{margin:1.1rem 0 0;padding-top:.9rem;border-top:1px solid var(--line)}dt{font-size:.85rem;color:var(--soft)}\
dd{margin:0 0 .6rem;overflow-wrap:anywhere}\
code{font:13px/1.4 ui-monospace,Consolas,monospace;background:var(--ground);border:1px solid var(--line);\
border-radius:6px;padding:.15rem .45rem}\
.actions{display:flex;flex-wrap:wrap;gap:.6rem;margin-top:1.4rem}form{margin:0}\
.button{display:inline-block;border:1px solid var(--main);border-radius:8px;padding:.55rem 1.05rem;font:inherit;\
font-weight:600;text-decoration:none;cursor:pointer;color:var(--main);background:none}\
.button:focus-visible{outline:3px solid var(--ink);outline-offset:2px}\
.actions>:first-child .button,.actions>.button:first-child,main>form .button{background:var(--main);color:var(--card)}\
ul{list-style:none;margin:0;padding:0}li{padding:.75rem 0;border-bottom:1px solid var(--line)}li p{margin:0;\
color:var(--ink);overflow-wrap:anywhere}li .actions{margin-top:.5rem}main>form{margin-top:1.4rem}fieldset{margin:0 0 1rem;padding:.5rem 1rem .75rem;border:1px solid var(--line);\
border-radius:8px}legend,form>label{font-weight:600}legend{padding:0 .35rem}\
fieldset label{display:block;padding:.35rem 0 .35rem 1.6rem;text-indent:-1.6rem}\
small{color:var(--soft)}#my-domain-hint{margin:0}#my-domain{display:block;width:100%;font:inherit;\
margin:.35rem 0 1rem;padding:.5rem .7rem;color:var(--ink);background:var(--ground);border:1px solid var(--soft);\
border-radius:8px}ul .actions>:first-child .button,main>form~.actions>.button:first-child{background:none;color:var(--main)}";

/// The content security policy of this crate's own pages: without script, resource and frame, with one style sheet.
pub(crate) fn default_policy() -> &'static str {
    static POLICY: LazyLock<String> = LazyLock::new(|| policy(&[source_of(STYLE)], &[]));
    &POLICY
}

/// Without `form-action`: browsers apply it to each redirect that follows a form (Chromium does, CSP level 3 leaves it
/// open), and from our logout form a redirect may lead over a protected page to Salesforce's login.
fn policy(styles: &[String], directives: &[&str]) -> String {
    let mut policy = "default-src 'none'".to_owned();
    if !styles.is_empty() {
        policy.push_str("; style-src ");
        policy.push_str(&styles.join(" "));
    }
    policy.push_str("; base-uri 'none'; frame-ancestors 'none'");
    for directive in directives {
        policy.push_str("; ");
        policy.push_str(directive);
    }
    policy
}

/// A style sheet as a source of a content security policy: its hash.
fn source_of(style: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(Sha256::digest(style.as_bytes())))
}

/// A whole page of an app's own design, built from markup of the program and texts that are escaped.
///
/// Markup has to be a `&'static str`, so that text of a request cannot get there by mistake. A page from a template
/// engine comes in by [`from_template`](Self::from_template).
///
/// # Content security policy
/// The page is sent with `default-src 'none'; base-uri 'none'; frame-ancestors 'none'`, and with the hash of each style
/// sheet that was added by [`style`](Self::style): the browser runs no script, loads nothing, and applies no other
/// style sheet and no `style` attribute, even if a text were not escaped. Where the design needs more, for example a
/// logo, [`allow`](Self::allow) adds a directive. The header `X-Frame-Options: DENY` is always sent.
///
/// ```
/// use actix_salesforce::{Salesforce, pages::HtmlPage};
///
/// let builder = Salesforce::builder().login_pages(|page| {
///     let texts = page.texts();
///     let mut html = HtmlPage::new()
///         .markup("<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">")
///         .style("body { font-family: serif }")
///         .markup("<title>")
///         .text(&texts.title)
///         .markup("</title></head><body><img src=\"/static/logo.svg\" alt=\"\">")
///         .allow("img-src 'self'");
///     for paragraph in &texts.paragraphs {
///         html = html.markup("<p>").text(paragraph).markup("</p>");
///     }
///     // What the user chooses from, on the pages that are choosers.
///     html = html.choices(page, &texts);
///     for action in page.actions() {
///         html = html.action(action, texts.labels.get(action.kind()));
///     }
///     html.markup("</body></html>")
/// });
/// # let _ = builder;
/// ```
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct HtmlPage {
    html: String,
    styles: Vec<String>,
    directives: Vec<&'static str>,
}

impl HtmlPage {
    /// An empty page.
    pub fn new() -> Self {
        Self::default()
    }

    /// A page that a template engine rendered. The engine must have escaped each text in it.
    ///
    /// A style sheet inside of it is applied only if [`allow_style`](Self::allow_style) names it.
    pub fn from_template(html: impl Into<String>) -> Self {
        Self { html: html.into(), ..Self::default() }
    }

    /// Appends markup of the program.
    pub fn markup(mut self, markup: &'static str) -> Self {
        self.html.push_str(markup);
        self
    }

    /// Appends text, escaped. Right between tags and inside of attribute values in quotes; wrong inside of scripts and
    /// style sheets, and for an address that the app does not know.
    pub fn text(mut self, text: &str) -> Self {
        self.push_text(text);
        self
    }

    /// Appends a style sheet in a `<style>` element, and allows it in the content security policy.
    pub fn style(mut self, css: &'static str) -> Self {
        self.html.push_str("<style>");
        self.html.push_str(css);
        self.html.push_str("</style>");
        self.allow_style(css)
    }

    /// Allows a style sheet that the page has already: exactly the text between `<style>` and `</style>`.
    pub fn allow_style(mut self, css: &str) -> Self {
        self.styles.push(source_of(css));
        self
    }

    /// Adds a directive to the content security policy, for example `img-src 'self'` for a logo of the app.
    ///
    /// Of two directives with the same name browsers apply the first one, so `base-uri` and `frame-ancestors` stay,
    /// and `style-src` can be set only without [`style`](Self::style).
    pub fn allow(mut self, directive: &'static str) -> Self {
        self.directives.push(directive);
        self
    }

    /// Appends an action: `<a class="button">`, or a `<form>` with its hidden fields and a `<button class="button">`.
    pub fn action(self, action: &Action, label: &str) -> Self {
        if !action.is_post() {
            let target = if action.opens_window() { "\" target=\"_blank\" rel=\"noopener\">" } else { "\">" };
            return self
                .markup("<a class=\"button\" href=\"")
                .text(action.href())
                .markup(target)
                .text(label)
                .markup("</a>");
        }
        self.form(action).markup("<button class=\"button\">").text(label).markup("</button></form>")
    }

    /// Opens the form of an action, with its hidden fields.
    pub(super) fn form(mut self, action: &Action) -> Self {
        self = self.markup(if action.is_post() { "<form method=\"post\"" } else { "<form method=\"get\"" });
        self = self.markup(" action=\"").text(action.href()).markup("\">");
        for (name, value) in action.fields() {
            self = self
                .markup("<input type=\"hidden\" name=\"")
                .text(name)
                .markup("\" value=\"")
                .text(value)
                .markup("\">");
        }
        self
    }

    /// These texts in the design of this crate.
    pub(super) fn of_texts(page: &LoginPage, texts: &PageTexts) -> Self {
        let mut html = Self { html: String::with_capacity(STYLE.len() + 1024), ..Self::default() }
            .markup("<!doctype html><html lang=\"")
            .text(&texts.language)
            .markup(
                "\"><head><meta charset=\"utf-8\">\
                 <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>",
            )
            .text(&texts.title)
            .markup("</title>")
            .style(STYLE)
            .markup("</head><body><main><h1>")
            .text(&texts.title)
            .markup("</h1>");
        for paragraph in &texts.paragraphs {
            html = html.markup("<p>").text(paragraph).markup("</p>");
        }
        html = html.facts(page, texts).choices(page, texts).markup("<div class=\"actions\">");
        for action in page.actions() {
            html = html.action(action, texts.labels.get(action.kind()));
        }
        html.markup("</div></main></body></html>")
    }

    /// Who can change what the page reports and where, Salesforce's code and the page's reference.
    fn facts(self, page: &LoginPage, texts: &PageTexts) -> Self {
        let facts = [
            (&texts.who_label, texts.who.as_deref(), false),
            (&texts.place_label, texts.place.as_deref(), false),
            (&texts.code_label, page.salesforce_code(), true),
            (&texts.reference_label, page.reference(), true),
        ];
        if facts.iter().all(|(_, fact, _)| fact.is_none()) {
            return self;
        }
        let mut html = self.markup("<dl>");
        for (label, fact, is_code) in facts {
            let Some(fact) = fact else { continue };
            html = html.markup("<dt>").text(label).markup("</dt><dd>");
            html = match is_code {
                true => html.markup("<code>").text(fact).markup("</code>"),
                false => html.text(fact),
            };
            html = html.markup("</dd>");
        }
        html.markup("</dl>")
    }

    /// The content security policy.
    pub(super) fn policy(&self) -> Result<HeaderValue, InvalidHeaderValue> {
        HeaderValue::from_str(&policy(&self.styles, &self.directives))
    }

    /// The content security policy for a page that these sites may show in a frame.
    pub(super) fn policy_framed_by(&self, sources: &str) -> Result<HeaderValue, InvalidHeaderValue> {
        let policy = policy(&self.styles, &self.directives);
        HeaderValue::from_str(&policy.replacen(
            "frame-ancestors 'none'",
            &format!("frame-ancestors {sources}"),
            1,
        ))
    }

    pub(super) fn into_html(self) -> String {
        self.html
    }

    /// Escapes for text and for attribute values in quotes.
    fn push_text(&mut self, text: &str) {
        for c in text.chars() {
            match c {
                '&' => self.html.push_str("&amp;"),
                '<' => self.html.push_str("&lt;"),
                '>' => self.html.push_str("&gt;"),
                '"' => self.html.push_str("&quot;"),
                '\'' => self.html.push_str("&#39;"),
                _ => self.html.push(c),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{ActionKind, ActionLabels, LoginFailure, PageKind},
        *,
    };

    #[test]
    fn text_never_becomes_markup() {
        let evil = "\"><script>alert('1')</script>&";
        let denied = PageKind::LoginFailed(LoginFailure::Denied { code: Some(evil), description: None });
        let actions = vec![
            Action::link(ActionKind::TryAgain, evil),
            Action::form(ActionKind::LogOut, evil.to_owned(), vec![(evil, evil.to_owned())]),
        ];
        let page = LoginPage::new(denied, actions, None);
        let texts = PageTexts {
            language: evil.into(),
            title: evil.into(),
            paragraphs: vec![evil.into()],
            who: Some(evil.into()),
            who_label: evil.into(),
            place: Some(evil.into()),
            place_label: evil.into(),
            code_label: evil.into(),
            labels: ActionLabels { try_again: evil.into(), log_out: evil.into(), ..page.texts().labels },
            ..page.texts()
        };
        let html = HtmlPage::of_texts(&page, &texts).into_html();
        assert!(!html.contains("<script") && !html.contains("alert('1')"), "{html}");
        assert_eq!(html.matches("&quot;&gt;&lt;script&gt;").count(), 16, "{html}");
    }

    #[test]
    fn the_policy_allows_the_styles_of_the_page_and_what_the_app_adds() {
        let policy = |page: HtmlPage| page.policy().unwrap().to_str().unwrap().to_owned();
        const STRICT: &str = "default-src 'none'; base-uri 'none'; frame-ancestors 'none'";
        assert_eq!(policy(HtmlPage::new().text("x")), STRICT);
        assert_eq!(policy(HtmlPage::new().allow("img-src 'self'")), format!("{STRICT}; img-src 'self'"));
        // The hash is that of `echo -n 'p{}' | openssl dgst -sha256 -binary | base64`.
        let hash = source_of("p{}");
        let styled = policy(HtmlPage::new().style("p{}"));
        assert_eq!(
            styled,
            format!("default-src 'none'; style-src {hash}; base-uri 'none'; frame-ancestors 'none'")
        );
        assert_eq!(policy(HtmlPage::from_template("<style>p{}</style>").allow_style("p{}")), styled);
        assert!(HtmlPage::new().allow("img-src\n'self'").policy().is_err());
        let page = LoginPage::new(PageKind::ConfirmLogout, Vec::new(), None);
        assert_eq!(policy(HtmlPage::of_texts(&page, &page.texts())), default_policy());
    }
}
