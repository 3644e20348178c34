//! The chooser: the login hosts that users may log in at.

use actix_web::{HttpRequest, HttpResponse, http::StatusCode};
use serde_json::json;

use super::{orgs, query::Query, return_target};
use crate::{
    config::{ReturnTo, Settings},
    web::{
        error,
        pages::{Action, ActionKind, HostChoice, HostChoices, PageKind, Reply},
        request_info::RequestInfo,
        response::{self, ResponseFormat},
        worker::WorkerState,
    },
};
use salesforce_connection::{Result, oauth::LoginHost};

/// Shows the login hosts that the settings name, for users to choose from, with a field for a My Domain where the app
/// allows any. What is chosen goes to the login route as `host`. The one of the browser's last login is selected.
///
/// Query: `return_to`; with `add=1` the choice goes to the [orgs route](super::orgs) instead. Scripts and programs get
/// JSON: `hosts` (`name`, `address`, `login_url`, `last`), `my_domain`.
pub async fn hosts(request: HttpRequest) -> HttpResponse {
    choose(&request).unwrap_or_else(|error| error::response(&error, &request))
}

fn choose(request: &HttpRequest) -> Result<HttpResponse> {
    let worker = WorkerState::of(request)?;
    let settings = worker.settings();
    let query = Query::parse(request.query_string()).ok();
    let query = query.as_ref();
    let return_to = query.and_then(|query| return_target(settings, query.first("return_to")?));
    let adds = query.is_some_and(|query| query.first("add").is_some());
    let last = worker.last_host(request);
    let choices = choices(settings, last.as_ref(), return_to.as_ref(), adds);
    Ok(match ResponseFormat::of(request.headers()) {
        ResponseFormat::Navigation => {
            let home = Action::link(ActionKind::StartPage, settings.after_logout.as_str());
            Reply::new(PageKind::ChooseHost(choices)).actions([home]).page(&RequestInfo::of(request))
        }
        ResponseFormat::Htmx | ResponseFormat::Json => json(settings, &choices, return_to.as_ref(), adds),
    })
}

/// Returns what users may choose from: the default host first, then the others by name.
fn choices(
    settings: &Settings,
    last: Option<&LoginHost>,
    return_to: Option<&ReturnTo>,
    adds: bool,
) -> HostChoices {
    let is_named = settings.hosts.values().any(|host| *host == settings.default_host);
    let default = (!is_named).then_some(&settings.default_host);
    let hosts = default.into_iter().chain(settings.hosts.values()).map(|host| HostChoice {
        name: settings.host_name(host).to_owned(),
        address: address(host),
        is_last: last == Some(host),
    });
    let hosts: Vec<_> = hosts.collect();
    let target = return_to.map(|target| ("return_to", target.as_str().to_owned())).into_iter();
    let form = match settings.paths.orgs.as_deref().filter(|_| adds) {
        Some(orgs) => {
            let fields = target.chain([("add", "1".to_owned())]).collect();
            Action::form(ActionKind::AddOrg, settings.paths.full(orgs), fields)
        }
        None => {
            let login = settings.paths.login.as_deref().map(|login| settings.paths.full(login));
            Action::get_form(ActionKind::LogIn, login.unwrap_or_default(), target.collect())
        }
    };
    let is_entered = !hosts.iter().any(|host| host.is_last);
    HostChoices {
        my_domain: settings.allow_my_domain,
        last_my_domain: last.filter(|_| is_entered && settings.allow_my_domain).map(address),
        form,
        hosts,
    }
}

fn address(host: &LoginHost) -> String {
    host.issuer().split_once("://").map_or("", |(_, address)| address).to_owned()
}

fn json(
    settings: &Settings,
    choices: &HostChoices,
    return_to: Option<&ReturnTo>,
    adds: bool,
) -> HttpResponse {
    let adds = adds && settings.paths.orgs.is_some();
    let hosts: Vec<_> = choices
        .hosts
        .iter()
        .map(|choice| {
            let host = settings.find_host(&choice.name);
            let link = host.and_then(|host| settings.login_link(&host, return_to.map(ReturnTo::as_str)));
            let link = link.map(|link| if adds { orgs::adding(&link) } else { link });
            json!({
                "name": choice.name, "address": choice.address, "login_url": link, "last": choice.is_last,
            })
        })
        .collect();
    response::builder(StatusCode::OK).json(json!({ "hosts": hosts, "my_domain": choices.my_domain }))
}
