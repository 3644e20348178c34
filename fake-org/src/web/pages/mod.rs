//! Pages for users. Plain HTML and CSS, everything escaped, nothing loaded from elsewhere. No `form-action`
//! policy: it would stop the redirect back to the app.

pub(super) mod canvas;
pub(super) mod consent;
pub(super) mod dashboard;
pub(super) mod duplicate;
pub(super) mod error_page;
pub(super) mod login;
pub(super) mod logout;
pub(super) mod rows;

use super::html::escape;

/// The authorize request that a form belongs to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Form<'a> {
    /// The path of the site it came in on; empty elsewhere.
    pub(crate) site: &'a str,
    /// The request's query, which the form sends back.
    pub(crate) query: &'a str,
    pub(crate) popup: bool,
}

impl Form<'_> {
    /// The class of the page around it.
    fn class(&self) -> &'static str {
        if self.popup { "narrow popup" } else { "narrow" }
    }
}

/// A whole page around some HTML.
fn layout(title: &str, class: &str, content: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"robots\" content=\"noindex\"><title>{title} | fake org</title>\
         <link rel=\"icon\" href=\"data:,\"><style>{STYLE}</style></head>\
         <body class=\"{class}\"><p class=\"ribbon\">fake org &middot; an emulator for tests and demos, not Salesforce</p>\
         {content}</body></html>\n",
        title = escape(title)
    )
}

/// The emblem over the forms: a cloud with a patch.
const EMBLEM: &str = "<svg class=\"emblem\" viewBox=\"0 0 96 64\" role=\"img\" aria-label=\"fake org\">\
<path fill=\"#0b6bcb\" d=\"M29 56a17 17 0 0 1-3-33.7A20 20 0 0 1 62 14a15 15 0 0 1 20 15.500A13.500 13.500 0 0 1 78 56z\"/>\
<path d=\"M40 30h18M40 38h18M40 46h11\" stroke=\"#fff\" stroke-width=\"3.500\" stroke-linecap=\"round\" stroke-dasharray=\"5 4\"/></svg>";

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#17202e;--soft:#5b6675;--line:#d5dbe3;--card:#fff;--ground:#eef3f9;--brand:#0b5cab;--brand-ink:#fff;--bad:#b3261e;--bad-soft:#fdeceb;--ok:#1d7a46}\
@media(prefers-color-scheme:dark){:root{--ink:#e8edf4;--soft:#a3afbf;--line:#374357;--card:#1b2433;--ground:#111824;--brand:#5aa5f0;--brand-ink:#0b1420;--bad:#ff9b93;--bad-soft:#3b2022;--ok:#7fd6a4}}\
*{box-sizing:border-box}\
body{margin:0;font:16px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,sans-serif;color:var(--ink);background:var(--ground)}\
.ribbon{margin:0;padding:.4rem 1rem;text-align:center;font-size:.8125rem;background:#ffd76a;color:#3d2c00}\
.narrow main{max-width:24rem;margin:7vh auto 3rem;padding:0 1rem}\
.wide main{max-width:66rem;margin:2rem auto 4rem;padding:0 1.25rem}\
.emblem{display:block;width:5.5rem;margin:0 auto 1.25rem}\
.card{background:var(--card);border:1px solid var(--line);border-radius:.6rem;padding:1.5rem;box-shadow:0 1px 3px rgb(20 40 70/.08)}\
h1{font-size:1.35rem;line-height:1.3;margin:0 0 .75rem}h2{font-size:1.05rem;margin:2.25rem 0 .6rem}\
label{display:block;font-weight:600;font-size:.875rem;margin:0 0 .25rem}\
input[type=text],input[type=password]{width:100%;font:inherit;color:inherit;background:transparent;border:1px solid var(--soft);border-radius:.35rem;padding:.55rem .7rem;margin:0 0 1rem}\
input:focus-visible,button:focus-visible,a:focus-visible{outline:3px solid color-mix(in srgb,var(--brand) 45%,transparent);outline-offset:2px}\
.button{display:inline-block;width:100%;font:inherit;font-weight:600;border:1px solid var(--brand);border-radius:.35rem;padding:.6rem 1rem;background:var(--brand);color:var(--brand-ink);cursor:pointer;text-align:center}\
.button:hover{filter:brightness(1.08)}.quiet{background:transparent;color:var(--brand)}\
.pair{display:grid;grid-template-columns:1fr 1fr;gap:.75rem;margin-top:1.25rem}\
.problem{background:var(--bad-soft);color:var(--bad);border:1px solid var(--bad);border-radius:.35rem;padding:.6rem .8rem;margin:0 0 1rem;font-size:.9375rem}\
.hint{color:var(--soft);font-size:.875rem;margin:1.25rem 0 0}.hint code{color:var(--ink)}\
ul.plain{padding:0;margin:.5rem 0 0;list-style:none}ul.plain li{padding:.3rem 0 .3rem 1.5rem;position:relative}\
ul.plain li::before{content:'\\2713';position:absolute;left:.1rem;color:var(--ok);font-weight:700}\
code{font:.875em ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;overflow-wrap:anywhere}\
.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:.9rem}\
th{text-align:left;font-weight:600;color:var(--soft);font-size:.8125rem}th,td{padding:.45rem .75rem .45rem 0;border-bottom:1px solid var(--line);vertical-align:top}\
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}.bad{color:var(--bad)}.none{margin:0;color:var(--soft)}a{color:var(--brand)}\
.wide .hint{margin:0 0 .75rem}.wide dl+.hint{margin:.75rem 0 0}.grid .scroll{max-height:26rem;overflow-y:auto}.problem{overflow-wrap:anywhere}td code{overflow-wrap:normal;white-space:nowrap}\
td code.wrap{display:block;min-width:18rem;overflow-wrap:anywhere;white-space:normal}.rows td{white-space:nowrap}.grid{display:grid;grid-template-columns:repeat(auto-fit,minmax(19rem,1fr));gap:1.25rem}\
dl{display:grid;grid-template-columns:max-content 1fr;gap:.3rem 1rem;margin:0}dt{color:var(--soft)}dd{margin:0}";
