//! The pages that users see, in German and in a design of the app's own.
//!
//! `cargo run --example german_pages`, then open the address that it prints, and choose "Deny" at the fake Salesforce.

#[path = "support/mod.rs"]
mod support;

use actix_salesforce::{
    Config, SalesforceUser,
    pages::{ActionKind, HtmlPage, LoginFailure, LoginPage, PageKind, RequestFailure},
};
use actix_web::{App, HttpServer, Responder, get};

const STYLE: &str = "\
    body { margin: 10vh auto; max-width: 36rem; padding: 0 1rem; font: 1.1rem/1.5 Georgia, serif; color: #222 } \
    h1 { color: #8a1538; font-size: 1.6rem } \
    .button { display: inline-block; margin: 1rem 1rem 0 0; padding: .5rem 1rem; border: 1px solid #8a1538; \
              background: none; color: #8a1538; font: inherit; text-decoration: none; cursor: pointer }";

/// The title and a paragraph in German.
fn texts(kind: &PageKind) -> (&'static str, &'static str) {
    match kind {
        PageKind::LoginFailed(failure) => match failure {
            LoginFailure::Denied { code: Some("access_denied"), .. } => {
                ("Zugriff nicht erlaubt", "Sie haben auf der Seite von Salesforce „Ablehnen“ gewählt.")
            }
            LoginFailure::Denied { .. } => (
                "Salesforce hat die Anmeldung abgelehnt",
                "Bitte wenden Sie sich an Ihren Salesforce-Administrator.",
            ),
            LoginFailure::UnknownState => (
                "Diese Anmeldung ist nicht mehr gültig",
                "Sie wurde in einem anderen Browser begonnen, ist schon beendet oder hat zu lange gedauert.",
            ),
            LoginFailure::LoginLoop => (
                "Die Anmeldung ging sofort wieder verloren",
                "Bitte erlauben Sie in Ihrem Browser die Cookies dieser Seite.",
            ),
            _ => ("Die Anmeldung ist nicht gelungen", "Bitte versuchen Sie es gleich noch einmal."),
        },
        PageKind::LoginRequired { .. } => ("Sie sind nicht angemeldet", "Bitte melden Sie sich zuerst an."),
        PageKind::ConfirmLogout => ("Abmelden?", "Bei Salesforce selbst bleiben Sie angemeldet."),
        PageKind::CrossOriginLogout => {
            ("Sie wurden nicht abgemeldet", "Die Anfrage kam von einer fremden Seite.")
        }
        PageKind::NotAllowed { .. } => {
            ("Kein Zugriff", "Sie sind angemeldet, dürfen dies aber nicht benutzen.")
        }
        PageKind::RequestFailed { failure: RequestFailure::NotFound, .. } => {
            ("Nicht gefunden", "Diesen Datensatz gibt es nicht.")
        }
        PageKind::RequestFailed { failure: RequestFailure::Unconfirmed, .. } => (
            "Vielleicht nicht gespeichert",
            "Bitte prüfen Sie das Ergebnis, bevor Sie es noch einmal versuchen.",
        ),
        // `PageKind` may get more variants.
        _ => (
            "Das ist gerade nicht möglich",
            "Sie bleiben angemeldet. Bitte versuchen Sie es später noch einmal.",
        ),
    }
}

fn label(action: ActionKind) -> &'static str {
    match action {
        ActionKind::TryAgain => "Noch einmal versuchen",
        ActionKind::LogIn => "Anmelden",
        ActionKind::LogOut => "Abmelden",
        ActionKind::StayLoggedIn => "Angemeldet bleiben",
        _ => "Zur Startseite",
    }
}

/// A page of the app's own design. `text` escapes; `style` also allows the style sheet in the content security policy.
fn german(page: &LoginPage) -> HtmlPage {
    let (title, paragraph) = texts(page.kind());
    let mut html = HtmlPage::new()
        .markup("<!doctype html><html lang=\"de\"><head><meta charset=\"utf-8\"><title>")
        .text(title)
        .markup("</title>")
        .style(STYLE)
        .markup("</head><body><h1>")
        .text(title)
        .markup("</h1><p>")
        .text(paragraph)
        .markup("</p>");
    if let Some(code) = page.salesforce_code() {
        html = html.markup("<p>Fehlercode: <code>").text(code).markup("</code></p>");
    }
    for action in page.actions() {
        html = html.action(action, label(action.kind()));
    }
    html.markup("</body></html>")
}

#[get("/")]
async fn home(user: SalesforceUser) -> impl Responder {
    format!("Guten Tag, {}!", user.display_name.unwrap_or_default())
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let support::Setup { salesforce, bind, workers, _org } =
        support::set_up_with(Config::from_env(), |builder| builder.login_pages(german)).await?;
    HttpServer::new(move || App::new().wrap(salesforce.clone()).service(home))
        .workers(workers)
        .bind(bind)?
        .run()
        .await?;
    Ok(())
}
