//! The home page: what the org holds and what it was asked last.

use std::fmt::Write as _;

use super::{escape, layout};
use crate::auth::users::PASSWORD;
use crate::base::clock;
use crate::web::call::Call;
use crate::web::reply::{Reply, html};

pub(crate) async fn show(call: Call) -> Reply {
    let org = &call.org;
    let origins = org.origins();
    let mut content = String::from("<main><h1>This is a fake Salesforce org</h1><div class=\"grid\">");
    let _ = write!(
        content,
        "<div class=\"card\"><dl><dt>Login URL</dt><dd><code>{}</code></dd><dt>Instance URL</dt><dd><code>{}</code>\
         </dd><dt>Client ID</dt><dd><code>{}</code></dd><dt>Client secret</dt><dd><code>{}</code></dd>\
         <dt>Password</dt><dd><code>{PASSWORD}</code>, for every user</dd></dl></div>",
        escape(&origins.login),
        escape(origins.current_instance()),
        escape(&org.app.client_id),
        escape(&org.app.client_secret),
    );
    content.push_str(
        "<div class=\"card\"><table><thead><tr><th>Object</th><th class=\"n\">Rows</th></tr></thead><tbody>",
    );
    for (name, count) in org.data.with(|data| data.counts()) {
        let _ = write!(content, "<tr><td>{}</td><td class=\"n\">{count}</td></tr>", escape(name));
    }
    content.push_str("</tbody></table></div></div>");
    content.push_str(&people(&call));
    content.push_str(&requests(&call));
    content.push_str("</main>");
    html(200, layout("Home", "wide", &content))
}

fn people(call: &Call) -> String {
    let now = call.org.clock.now();
    let mut out = String::from(
        "<h2>Users</h2><div class=\"card scroll\"><table><thead><tr><th>Username</th><th>Name</th><th>E-mail</th>\
         <th>Id</th><th class=\"n\">Access tokens</th><th class=\"n\">Refresh tokens</th></tr></thead><tbody>",
    );
    call.org.auth(|auth| {
        for user in auth.users.iter().take(50) {
            let access =
                auth.sessions.values().filter(|s| s.user_id == user.id && s.is_live(now)).count();
            let refresh = auth.live_refresh_tokens(&user.id).len();
            let active = if auth.is_active(&user.id) { "" } else { " <span class=\"bad\">inactive</span>" };
            let _ = write!(
                out,
                "<tr><td>{}{active}</td><td>{}</td><td>{}</td><td><code>{}</code></td><td class=\"n\">{access}</td>\
                 <td class=\"n\">{refresh}</td></tr>",
                escape(&user.username),
                escape(&user.display_name()),
                escape(&user.email),
                escape(&user.id),
            );
        }
    });
    out.push_str("</tbody></table></div>");
    out
}

fn requests(call: &Call) -> String {
    let mut out = String::from(
        "<h2>Last requests</h2><div class=\"card scroll\"><table><thead><tr><th>Time</th><th>Host</th><th>Request</th>\
         <th>Fault</th><th class=\"n\">Status</th></tr></thead><tbody>",
    );
    for request in call.org.log.last(25) {
        let target = request.target();
        let shown: String = target.chars().take(160).collect();
        let dots = if shown.len() < target.len() { "…" } else { "" };
        let status = request.status.map_or_else(|| "–".to_owned(), |status| status.to_string());
        let class = if request.status.is_some_and(|status| status < 400) { "n" } else { "n bad" };
        let _ = write!(
            out,
            "<tr><td>{}</td><td>{}</td><td><code>{} {}{dots}</code></td><td>{}</td><td class=\"{class}\">{status}</td></tr>",
            clock::datetime(request.time).get(11..23).unwrap_or_default(),
            match request.host {
                crate::log::Host::Login => "login",
                _ => "instance",
            },
            escape(&request.method),
            escape(&shown),
            escape(request.fault.as_deref().unwrap_or_default()),
        );
    }
    out.push_str("</tbody></table></div>");
    out
}
