//! The orgs route: the orgs that a browser is logged in at. It lists, adds, switches and drops them.
//!
//! What changes something is a POST from a page of this app: a link of another site can neither add an org to a
//! browser, and so have the user work in an org of that site, nor change which org is current. (A link to the login
//! route neither: see `placement`.)

use actix_session::SessionExt as _;
use actix_web::{
    HttpRequest, HttpResponse,
    cookie::Cookie,
    http::{Method, StatusCode},
    web,
};
use salesforce_connection::{
    Error, OrgId, Result, UserRef,
    oauth::{LoginHost, Prompt},
};
use serde_json::json;

use super::{
    add_cookie,
    failure::{InvalidLink, LoginError, LoginFailure},
    form,
    loop_guard::LoopGuard,
    placement::MAX_LOGINS,
    query::Query,
    return_target, silent,
    start::{self, Start, begin},
};
use crate::{
    base::append_query::append_query,
    config::{ReturnTo, SessionMode, Settings},
    web::{
        error,
        orgs::{self, BrowserLogins, ValidLogin},
        origin::is_same_origin,
        pages::{Action, ActionKind, OrgChoice, OrgChoices, PageKind, Reply},
        request_info::RequestInfo,
        response::{self, ResponseFormat},
        session::{RemoveMainSession, Slot, former_user, last_host, logout_handle, user_tag},
        worker::WorkerState,
    },
};

/// Lists the orgs that this browser is logged in at, and changes them by POST from a page of this app.
///
/// GET: a page with buttons; for scripts and programs a JSON array of `organization_id`, `user_id`, `username`,
/// `display_name`, `instance_url`, `login_host`, `current`. Query: `return_to`.
///
/// POST, as a form, with one of these and `return_to`:
///
/// * `add=1` starts a login that is added to the others, by 303 to Salesforce. `host`, `prompt` and `login_hint` as at the
///   [login route](super::login). The new one is current. A browser has five at most. Where it is logged in at the same
///   login host already, Salesforce is asked for its login page (`prompt=login`), because it would return the same user.
/// * `switch=ORG` makes this org the current one; `user_id` says which user, where two users of one org are logged in.
/// * `drop=ORG` ends the login at this org, with `user_id` as above. If it was the current one, the first of the others is
///   current from then on.
///
/// After `switch` and `drop` a page is redirected to `return_to`; scripts get the list.
pub async fn orgs(request: HttpRequest, payload: web::Payload) -> HttpResponse {
    let changed = match *request.method() == Method::POST {
        true => change(&request, payload).await,
        false => list(&request).await.map_err(LoginError::from),
    };
    changed.unwrap_or_else(|error| error.into_response(&request))
}

/// Returns hashes of the users who are logged in in this browser, for [`Start::started_by`].
pub(super) async fn users(worker: &WorkerState, request: &HttpRequest) -> Result<Vec<String>> {
    let mut users = hashes(&orgs::logins(worker, request).await?);
    // A login by Canvas is none of those.
    let current = worker.current_user(request).await?.map(former_user::hash);
    users.extend(current.filter(|current| !users.contains(current)));
    Ok(users)
}

fn hashes(logins: &BrowserLogins) -> Vec<String> {
    logins.users().map(former_user::hash).collect()
}

/// Returns the link to the page that adds an org instead of the one that logs in.
pub(super) fn adding(login: &str) -> String {
    append_query(login, [("add", "1")])
}

/// Returns the page whose button adds an org. `None` if the app has no orgs route.
pub(super) fn add_page(
    settings: &Settings,
    request: &HttpRequest,
    host: &LoginHost,
    return_to: &ReturnTo,
) -> Option<HttpResponse> {
    let mut fields = vec![("add", "1".to_owned()), ("return_to", return_to.as_str().to_owned())];
    if settings.is_choice_of_hosts() {
        fields.push(("host", settings.host_name(host).to_owned()));
    }
    let orgs = settings.paths.full(settings.paths.orgs.as_deref()?);
    let actions = [
        Action::form(ActionKind::AddOrg, orgs, fields),
        Action::link(ActionKind::StartPage, settings.after_login.as_str()),
    ];
    Some(Reply::new(PageKind::AddOrg).actions(actions).page(&RequestInfo::of(request)))
}

async fn list(request: &HttpRequest) -> Result<HttpResponse> {
    let worker = WorkerState::of(request)?;
    let found = orgs::logins(&worker, request).await?;
    if found.valid.is_empty() {
        let undecided = found.unusable.into_iter().find_map(|login| login.undecided);
        if let Some((_, cause)) = undecided {
            return Err(cause.into());
        }
        return Ok(match ResponseFormat::of(request.headers()) {
            ResponseFormat::Json => error::login_required_json(request),
            _ => error::response(&Error::LoginRequired, request),
        });
    }
    let query = Query::parse(request.query_string()).ok();
    let return_to = query.and_then(|query| return_target(worker.settings(), query.first("return_to")?));
    let mut response = show(&worker, request, &found.valid, return_to.as_ref());
    for slot in found.ended.iter().filter(|slot| **slot != Slot::Main) {
        add_cookie(&mut response, &worker.login_removal(slot));
    }
    Ok(response)
}

fn show(
    worker: &WorkerState,
    request: &HttpRequest,
    logins: &[ValidLogin],
    return_to: Option<&ReturnTo>,
) -> HttpResponse {
    match ResponseFormat::of(request.headers()) {
        ResponseFormat::Navigation => {
            let choices = choices(worker.settings(), logins, return_to);
            let back = return_to.unwrap_or(&worker.settings().after_login).as_str();
            let back = Action::link(ActionKind::StartPage, back);
            let add = choices.add.clone();
            Reply::new(PageKind::ChooseOrg(choices))
                .actions(add.into_iter().chain([back]))
                .page(&RequestInfo::of(request))
        }
        ResponseFormat::Htmx | ResponseFormat::Json => {
            let list: Vec<_> = logins
                .iter()
                .map(|login| {
                    json!({
                        "organization_id": login.user.organization_id,
                        "user_id": login.user.user_id,
                        "username": login.user.username,
                        "display_name": login.user.display_name,
                        "instance_url": login.user.instance_url,
                        "login_host": login.contents.host_name(),
                        "current": login.is_current,
                    })
                })
                .collect();
            response::builder(StatusCode::OK).json(list)
        }
    }
}

fn choices(settings: &Settings, logins: &[ValidLogin], return_to: Option<&ReturnTo>) -> OrgChoices {
    let route = settings.paths.orgs.as_deref().map(|orgs| settings.paths.full(orgs)).unwrap_or_default();
    let form = |kind, name, login: Option<&ValidLogin>| {
        let value = login.map_or_else(|| "1".to_owned(), |login| login.user.organization_id.to_string());
        let user = login.map(|login| ("user_id", login.user.user_id.to_string()));
        let target = return_to.map(|target| ("return_to", target.as_str().to_owned()));
        Action::form(kind, route.clone(), [(name, value)].into_iter().chain(user).chain(target).collect())
    };
    let choice = |login: &ValidLogin| OrgChoice {
        organization_id: login.user.organization_id,
        user_id: login.user.user_id,
        username: login.user.username.clone(),
        login_host: login.contents.host_name().to_owned(),
        is_current: login.is_current,
        switch: (!login.is_current).then(|| form(ActionKind::SwitchOrg, "switch", Some(login))),
        drop: form(ActionKind::DropOrg, "drop", Some(login)),
    };
    let add = match settings.paths.hosts.as_deref() {
        // Which login host, is chosen first.
        Some(hosts) => Action::link(ActionKind::AddOrg, adding(&settings.paths.full(hosts))),
        None => form(ActionKind::AddOrg, "add", None),
    };
    OrgChoices { orgs: logins.iter().map(choice).collect(), add: (logins.len() < MAX_LOGINS).then_some(add) }
}

async fn change(
    request: &HttpRequest,
    payload: web::Payload,
) -> std::result::Result<HttpResponse, LoginError> {
    let worker = WorkerState::of(request)?;
    let settings = worker.settings();
    if !is_same_origin(&settings.public_url, request.headers()) {
        let home = Action::link(ActionKind::StartPage, settings.after_login.as_str());
        return Ok(Reply::new(PageKind::CrossOriginOrgs)
            .actions([home])
            .page_or_json(&RequestInfo::of(request)));
    }
    let invalid = || LoginError::from(LoginFailure::InvalidLink(InvalidLink::Query));
    let form = form::read_text(payload).await.ok_or_else(invalid)?;
    let form = Query::parse(&form).map_err(|_| invalid())?;
    let one = |name| form.one(name, 32).map_err(|_| invalid());
    let return_to = form.first("return_to").and_then(|text| return_target(settings, text));
    match (one("add")?, one("switch")?, one("drop")?) {
        (Some(_), None, None) => add(&worker, request, &form, return_to).await,
        (None, Some(org), None) => {
            let of = Wanted::of(org, one("user_id")?).ok_or_else(invalid)?;
            switch(&worker, request, &of, return_to.as_ref()).await
        }
        (None, None, Some(org)) => {
            let of = Wanted::of(org, one("user_id")?).ok_or_else(invalid)?;
            drop_login(&worker, request, &of, return_to.as_ref()).await
        }
        _ => Err(invalid()),
    }
}

/// Starts a login that is added to the browser's others.
async fn add(
    worker: &WorkerState,
    request: &HttpRequest,
    form: &Query,
    return_to: Option<ReturnTo>,
) -> std::result::Result<HttpResponse, LoginError> {
    let settings = worker.settings();
    let invalid = |link| LoginError::from(LoginFailure::InvalidLink(link));
    let found = orgs::logins(worker, request).await?;
    let counted = found.valid.len() + found.unusable.iter().filter(|login| login.undecided.is_some()).count();
    let Some(room) = MAX_LOGINS.checked_sub(counted).filter(|room| *room > 0) else {
        return Err(LoginFailure::TooManyOrgs.into());
    };
    let host = match form.one("host", 255).map_err(|_| invalid(InvalidLink::Host))? {
        Some(name) => settings.find_host(name).ok_or_else(|| invalid(InvalidLink::Host))?,
        None => last_host::read(settings, request.headers()).unwrap_or_else(|| settings.default_host.clone()),
    };
    let mut options = start::options(settings, form).ok_or_else(|| invalid(InvalidLink::Options))?;
    let is_in_use = found.valid.iter().any(|login| login.contents.host == host.as_url().as_str());
    if is_in_use && form.one("prompt", 64) == Ok(None) {
        options = options.prompt([Prompt::Login]);
    }
    // A login of a user who is new to the browser does not count as fresh: the user at the keyboard may be another one.
    let started_by = if options.has_prompt(Prompt::Login) { hashes(&found) } else { Vec::new() };
    let return_to = return_to.unwrap_or_else(|| settings.after_login.clone());
    let start = Start { started_by, adds: true, ..Start::new(host, return_to, options) };
    let mut response = begin(worker, request, start)?;
    // They would take the room of the new one: those that have ended, and as many as necessary of those that do not count.
    for slot in &found.ended {
        add_cookie(&mut response, &worker.login_removal(slot));
    }
    for login in found.unusable.iter().filter(|login| login.undecided.is_none()).skip(room - 1) {
        worker.grants().log_out_later(login.contents.id.clone());
        add_cookie(&mut response, &worker.login_removal(&login.slot));
    }
    // The cookie of an earlier version does not say whose it is; the callback has to know.
    for login in found.valid.iter().filter(|login| login.contents.user.is_none()) {
        let mut contents = login.contents.clone();
        contents.user = Some(user_tag(login.user.user_ref()));
        add_cookie(&mut response, &worker.login_cookie(&login.slot, &contents).map_err(Error::from)?);
    }
    Ok(response::for_htmx(request, response))
}

/// Which of the logins a request means.
struct Wanted {
    org: OrgId,
    user: Option<UserRef>,
}

impl Wanted {
    fn of(org: &str, user: Option<&str>) -> Option<Self> {
        let org = org.parse().ok()?;
        let user = match user {
            Some(user) => Some(UserRef::new(org, user.parse().ok()?)),
            None => None,
        };
        Some(Self { org, user })
    }

    fn is(&self, user: UserRef) -> bool {
        user.organization_id == self.org && self.user.is_none_or(|wanted| wanted == user)
    }

    /// Returns the login that was found. It is an error if several users are logged in at the org, and none is named.
    fn one<T>(&self, mut found: impl Iterator<Item = T>) -> std::result::Result<Option<T>, LoginError> {
        match (found.next(), found.next()) {
            (Some(_), Some(_)) if self.user.is_none() => {
                Err(LoginFailure::InvalidLink(InvalidLink::Query).into())
            }
            (found, _) => Ok(found),
        }
    }
}

/// Makes a login the current one.
async fn switch(
    worker: &WorkerState,
    request: &HttpRequest,
    wanted: &Wanted,
    return_to: Option<&ReturnTo>,
) -> std::result::Result<HttpResponse, LoginError> {
    let BrowserLogins { valid: mut logins, unusable, .. } = orgs::logins(worker, request).await?;
    let found = logins.iter().enumerate().filter(|(_, login)| wanted.is(login.user.user_ref()));
    let Some(position) = wanted.one(found.map(|(position, _)| position))? else {
        let undecided = unusable.into_iter().filter_map(|login| login.undecided);
        let mut undecided = undecided.filter(|(user, _)| wanted.is(*user));
        let missing = undecided.next().map(|(_, cause)| cause.into());
        return Err(missing.unwrap_or(Error::OrgLoginRequired(wanted.org)).into());
    };
    let cookie = make_current(worker, request, &mut logins, position)?;
    Ok(changed(worker, request, &logins, return_to, [cookie]))
}

fn make_current(
    worker: &WorkerState,
    request: &HttpRequest,
    logins: &mut [ValidLogin],
    position: usize,
) -> std::result::Result<Cookie<'static>, Error> {
    for (index, login) in logins.iter_mut().enumerate() {
        login.is_current = index == position;
    }
    let login = logins.get(position).ok_or(Error::LoginRequired)?;
    if worker.settings().session == SessionMode::App {
        // The app's session is one for all orgs: the app's function removes what another user must not see.
        let user_change = &worker.salesforce().functions().user_change;
        user_change.separate(request, login.user.user_ref(), SessionMode::App, false);
    }
    Ok(worker.current_cookie(&login.slot, &user_tag(login.user.user_ref()))?)
}

/// Ends a login. One that has ended before is no error.
async fn drop_login(
    worker: &WorkerState,
    request: &HttpRequest,
    wanted: &Wanted,
    return_to: Option<&ReturnTo>,
) -> std::result::Result<HttpResponse, LoginError> {
    let settings = worker.settings();
    let BrowserLogins { valid: mut logins, unusable, .. } = orgs::logins(worker, request).await?;
    let valid = logins.iter().filter(|login| wanted.is(login.user.user_ref()));
    let valid = valid.map(|login| (&login.slot, &login.contents.id, login.is_current));
    let others = unusable.iter().filter(|login| login.is_of(wanted.org, wanted.user));
    let others = others.map(|login| (&login.slot, &login.contents.id, login.is_current));
    // One that cannot be used is in no list: it makes no valid one unclear.
    let found = match wanted.one(valid)? {
        None => wanted.one(others)?,
        valid => valid,
    };
    let Some((slot, id, is_current)) = found else {
        return Ok(changed(worker, request, &logins, return_to, []));
    };
    let (slot, id) = (slot.clone(), id.clone());
    logins.retain(|login| login.slot != slot);
    let is_last = logins.is_empty() && unusable.iter().all(|login| login.slot == slot);
    // During an outage of the store the grant manager tries again; the browser has lost its cookie already.
    if let Err(error) = worker.grants().log_out(&id).await {
        tracing::error!(%error, "logout not stored yet. It is tried again in the background");
    }
    let mut cookies = vec![worker.login_removal(&slot)];
    cookies.extend(worker.leftovers(request).into_iter().filter(|_| is_last));
    // What handlers stored for this login ends with it. An app's own session is the app's concern.
    let is_own = settings.session == SessionMode::Embedded && !worker.is_nested();
    if is_own && worker.shown_session(request).as_deref() == slot.added() {
        request.get_session().purge();
    } else if is_own && slot == Slot::Main {
        RemoveMainSession::mark(request);
    } else if let Some(tag) = slot.added() {
        let removals = worker.added_session_removals(request);
        cookies.extend(removals.into_iter().filter(|cookie| cookie.name().ends_with(tag)));
    }
    let stay = worker.browser_logins(request).into_iter().filter(|login| login.slot != slot);
    let stay: Vec<_> = stay.map(|login| login.contents.id).collect();
    cookies.extend(logout_handle::make(settings, &stay).map_err(Error::from)?);
    cookies.extend(logout_handle::leftover(settings, request.headers()));
    if is_last {
        cookies.push(LoopGuard::removal(settings));
        cookies.extend(silent::after_logout(worker));
    }
    if is_current && !logins.is_empty() {
        cookies.push(make_current(worker, request, &mut logins, 0)?);
    } else if is_current || is_last {
        cookies.extend(worker.names_current(request).then(|| worker.current_removal()));
    }
    Ok(changed(worker, request, &logins, return_to, cookies))
}

fn changed(
    worker: &WorkerState,
    request: &HttpRequest,
    logins: &[ValidLogin],
    return_to: Option<&ReturnTo>,
    cookies: impl IntoIterator<Item = Cookie<'static>>,
) -> HttpResponse {
    let mut response = match ResponseFormat::of(request.headers()) {
        ResponseFormat::Json => show(worker, request, logins, return_to),
        _ => {
            let settings = worker.settings();
            let default = if logins.is_empty() { &settings.after_logout } else { &settings.after_login };
            response::for_htmx(request, response::see_other(return_to.unwrap_or(default).location()))
        }
    };
    for cookie in cookies {
        add_cookie(&mut response, &cookie);
    }
    response
}
