//! The dashboard: what the org holds, its logins, and the last requests.

use std::fmt::Write as _;

use super::layout;
use crate::base::clock::{Millis, zulu};
use crate::request::{Host, Request};
use crate::user::PASSWORD;
use crate::web::html::escape;
use crate::web::http_request::HttpRequest;
use crate::web::http_response::{HttpResponse, html};

/// Largest number of rows of a table; `/fake/requests` shows all.
const MOST: usize = 50;

pub(crate) async fn show(http: HttpRequest) -> HttpResponse {
    let mut content =
        String::from("<main><h1>This is a fake Salesforce org</h1><div class=\"grid\"><div class=\"card\">");
    content.push_str(&addresses(&http));
    content.push_str("</div>");
    content.push_str(&objects(&http));
    content.push_str("</div>");
    content.push_str(&users(&http));
    content.push_str(&tokens(&http));
    content.push_str(&faults(&http));
    content.push_str(&requests(&http));
    content.push_str("</main>");
    html(200, layout("Home", "wide", &content))
}

fn addresses(http: &HttpRequest) -> String {
    let origins = http.org.origins();
    let rows = [
        ("Login URL", origins.login.as_str()),
        ("Instance URL", origins.current_instance()),
        ("Client ID", &http.org.app.client_id),
        ("Client secret", &http.org.app.client_secret),
        ("Password", PASSWORD),
        ("Time here", &zulu(http.org.clock.now())),
    ];
    let mut out = String::from("<dl>");
    for (name, value) in rows {
        let _ = write!(out, "<dt>{name}</dt><dd><code>{}</code></dd>", escape(value));
    }
    out + "</dl><p class=\"hint\">Every user has this password.</p>"
}

/// A table in a card that scrolls sideways where it must.
fn table(heads: &[&str], rows: &[String], none: &str) -> String {
    if rows.is_empty() {
        return format!("<div class=\"card\"><p class=\"none\">{none}</p></div>");
    }
    let heads: String = heads
        .iter()
        .map(|head| match head.strip_prefix('#') {
            Some(head) => format!("<th scope=\"col\" class=\"n\">{head}</th>"),
            None => format!("<th scope=\"col\">{head}</th>"),
        })
        .collect();
    let rows = rows.concat();
    format!(
        "<div class=\"card scroll\" tabindex=\"0\"><table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>"
    )
}

fn objects(http: &HttpRequest) -> String {
    // The pages of rows are on the login host.
    let login = if http.host == Host::Login { String::new() } else { http.org.origins().login };
    let rows: Vec<String> = http
        .org
        .data
        .with(|data| data.counts())
        .into_iter()
        .map(|(name, count)| {
            let name = escape(name);
            format!("<tr><td><a href=\"{login}/fake/rows/{name}\">{name}</a></td><td class=\"n\">{count}</td></tr>")
        })
        .collect();
    table(&["Object", "#Rows"], &rows, "No objects")
}

fn users(http: &HttpRequest) -> String {
    let now = http.org.clock.now();
    let rows: Vec<String> = http.org.auth(|auth| {
        let row = |user: &crate::user::User| {
            let access = auth.sessions.values().filter(|s| s.user_id == user.id && s.is_live(now)).count();
            let refresh = auth.live_refresh_tokens(&user.id).len();
            let active = if auth.is_active(&user.id) { "" } else { " <span class=\"bad\">inactive</span>" };
            format!(
                "<tr><td>{}{active}</td><td>{}</td><td>{}</td><td><code>{}</code></td><td class=\"n\">{access}</td>\
                 <td class=\"n\">{refresh}</td></tr>",
                escape(&user.username),
                escape(&user.display_name()),
                escape(&user.email),
                escape(&user.id),
            )
        };
        auth.users.iter().take(MOST).map(row).collect()
    });
    let heads = ["Username", "Name", "E-mail", "Id", "#Access tokens", "#Refresh tokens"];
    format!("<h2>Users</h2>{}", table(&heads, &rows, "No users"))
}

/// The tokens that work, newest first: whose, for what, how long. Never the token.
fn tokens(http: &HttpRequest) -> String {
    let now = http.org.clock.now();
    let mut live: Vec<(Millis, String)> = http.org.auth(|auth| {
        let name = |id: &str| auth.user(id).map_or_else(|| escape(id), |user| escape(&user.username));
        let row = |kind: &str, user: &str, scopes: String, issued: Millis, used: Millis, ends: &str| {
            let row = format!(
                "<tr><td>{kind}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{ends}</td></tr>",
                name(user),
                escape(&scopes),
                clock(issued),
                clock(used),
            );
            (issued, row)
        };
        let access = auth.sessions.values().filter(|session| session.is_live(now)).map(|session| {
            let ends = clock(session.expires());
            row(
                "access",
                &session.user_id,
                session.scopes.words().join(" "),
                session.issued,
                session.last_used,
                &ends,
            )
        });
        let refresh = auth.families.values().filter(|family| family.current.is_some()).map(|family| {
            let scopes = family.scopes.words().join(" ");
            row("refresh", &family.user_id, scopes, family.born, family.last_used, "by policy")
        });
        access.chain(refresh).collect()
    });
    live.sort_by(|a, b| b.cmp(a));
    let rows: Vec<String> = live.into_iter().take(MOST).map(|(_, row)| row).collect();
    let heads = ["Token", "User", "Scopes", "Issued", "Last used", "Ends"];
    format!("<h2>Live tokens</h2>{}", table(&heads, &rows, "None: no user is logged in."))
}

fn faults(http: &HttpRequest) -> String {
    let armed = http.org.faults.armed();
    if armed.is_empty() {
        return String::new();
    }
    let rows: Vec<String> = armed
        .iter()
        .map(|rule| {
            let text = serde_json::to_string(rule).unwrap_or_default();
            let shown: String = text.chars().take(300).collect();
            format!("<tr><td><code class=\"wrap\">{}</code></td></tr>", escape(&shown))
        })
        .collect();
    format!("<h2>Armed faults</h2>{}", table(&["Rule"], &rows, ""))
}

fn requests(http: &HttpRequest) -> String {
    let rows: Vec<String> = http
        .org
        .log
        .last(MOST)
        .iter()
        // This page itself says nothing about an app.
        .filter(|request| request.path != "/")
        .map(|request| {
            let target = without_secrets(request);
            let shown: String = target.chars().take(160).collect();
            let dots = if shown.len() < target.len() { "…" } else { "" };
            let status = request.status.map_or_else(|| "–".to_owned(), |status| status.to_string());
            let class = if request.status.is_some_and(|status| status < 400) { "n" } else { "n bad" };
            format!(
                "<tr><td>{}</td><td>{}</td><td><code class=\"wrap\">{} {}{dots}</code></td><td>{}</td><td class=\"{class}\">{status}</td></tr>",
                clock(request.time),
                if request.host == Host::Login { "login" } else { "instance" },
                escape(&request.method),
                escape(&shown),
                escape(request.fault.as_deref().unwrap_or_default()),
            )
        })
        .collect();
    let heads = ["Time", "Host", "Request", "Fault", "#Status"];
    format!(
        "<h2>Last requests</h2>{}",
        table(&heads, &rows, "None yet. Point an app at this org and log in.")
    )
}

/// `11:05:00` of a moment.
fn clock(at: Millis) -> String {
    zulu(at).get(11..19).unwrap_or_default().to_owned()
}

/// The path and query, with dots for what opens something.
fn without_secrets(request: &Request) -> String {
    const SECRETS: [&str; 9] = [
        "token",
        "code",
        "access_token",
        "refresh_token",
        "id_token",
        "client_secret",
        "assertion",
        "sid",
        "otp",
    ];
    let Some(query) = &request.query else { return request.path.clone() };
    let shown: Vec<String> = query
        .split('&')
        .map(|pair| match pair.split_once('=') {
            Some((name, _)) if SECRETS.iter().any(|secret| name.eq_ignore_ascii_case(secret)) => {
                format!("{name}=…")
            }
            _ => pair.to_owned(),
        })
        .collect();
    format!("{}?{}", request.path, shown.join("&"))
}
