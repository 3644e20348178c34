//! The pages that users see, in German and in a design of the app's own.
//!
//! `cargo run --example german_pages`, then open the address that it prints, and choose "Deny" at the fake Salesforce.

#[path = "support/mod.rs"]
mod support;

use actix_salesforce::{
    Config, SalesforceUser,
    pages::{HtmlPage, LoginFailure, LoginPage, PageKind, PageTexts, RequestFailure},
};
use actix_web::{App, HttpServer, Responder, get};

const STYLE: &str = "\
    body { margin: 10vh auto; max-width: 36rem; padding: 0 1rem; font: 1.1rem/1.5 Georgia, serif; color: #222 } \
    h1 { color: #8a1538; font-size: 1.6rem } \
    .button { display: inline-block; margin: 1rem 1rem 0 0; padding: .5rem 1rem; border: 1px solid #8a1538; \
              background: none; color: #8a1538; font: inherit; text-decoration: none; cursor: pointer }";

/// The title and a paragraph in German.
fn message(kind: &PageKind) -> (&'static str, &'static str) {
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
        PageKind::FreshLoginRequired { .. } => (
            "Bitte melden Sie sich noch einmal an",
            "Hierfür muss Ihre Anmeldung jünger sein. Es wurde noch nichts getan.",
        ),
        PageKind::ChooseHost(_) => ("Wo melden Sie sich an?", "Wählen Sie das Salesforce Ihres Benutzers."),
        PageKind::ChooseOrg(_) => {
            ("Ihre Organisationen", "Die Anwendung arbeitet in der aktuellen Organisation.")
        }
        PageKind::AddOrg => (
            "Eine Organisation hinzufügen?",
            "Sie melden sich noch einmal bei Salesforce an. Ihre anderen Anmeldungen bleiben bestehen.",
        ),
        PageKind::OrgLoginRequired(_) => (
            "Eine Organisation fehlt",
            "Hierfür müssen Sie auch in einer anderen Organisation angemeldet sein.",
        ),
        PageKind::ConfirmConnect { .. } => {
            ("Salesforce verbinden?", "Sie melden sich bei Salesforce an und kommen hierher zurück.")
        }
        PageKind::OpenInWindow => (
            "Bitte öffnen Sie die Anwendung in einem Fenster",
            "Die Anmeldung von Salesforce wird innerhalb einer anderen Seite nicht angezeigt.",
        ),
        PageKind::ConfirmLogout => ("Abmelden?", "Bei Salesforce selbst bleiben Sie angemeldet."),
        PageKind::CrossOriginLogout => {
            ("Sie wurden nicht abgemeldet", "Die Anfrage kam von einer fremden Seite.")
        }
        PageKind::CrossOriginOrgs | PageKind::CrossOriginRequest => {
            ("Es wurde nichts geändert", "Die Anfrage kam von einer fremden Seite.")
        }
        PageKind::OtherLogin => (
            "Diese Seite ist nicht mehr aktuell",
            "Inzwischen ist ein anderer Benutzer angemeldet. Bitte öffnen Sie die Seite noch einmal.",
        ),
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

/// All texts of a page in German. Those of buttons and choices are changed, so that a new one is in English rather than wrong.
fn texts(page: &LoginPage) -> PageTexts {
    let (title, paragraph) = message(page.kind());
    let mut texts = page.texts();
    (texts.title, texts.paragraphs) = (title.into(), vec![paragraph.into()]);
    texts.language = "de".into();
    texts.code_label = "Fehlercode".into();
    texts.reference_label = "Kennzeichen".into();
    let labels = &mut texts.labels;
    for (label, german) in [
        (&mut labels.try_again, "Noch einmal versuchen"),
        (&mut labels.start_page, "Zur Startseite"),
        (&mut labels.log_in, "Anmelden"),
        (&mut labels.log_out, "Abmelden"),
        (&mut labels.stay_logged_in, "Angemeldet bleiben"),
        (&mut labels.other_user, "Als anderer Benutzer anmelden"),
        (&mut labels.choose_host, "Wählen, wo Sie sich anmelden"),
        (&mut labels.add_org, "Organisation hinzufügen"),
        (&mut labels.switch_org, "Dorthin wechseln"),
        (&mut labels.drop_org, "Dort abmelden"),
        (&mut labels.connect, "Salesforce verbinden"),
        (&mut labels.log_out_everywhere, "In allen Browsern abmelden"),
        (&mut labels.log_out_of_salesforce, "Auch von Salesforce abmelden"),
        (&mut texts.choices.hosts, "Anmelden bei"),
        (&mut texts.choices.production, "Produktion"),
        (&mut texts.choices.my_domain, "Ihre My Domain"),
        (&mut texts.choices.my_domain_hint, "Name oder Adresse, etwa acme oder acme.my.salesforce.com"),
        (&mut texts.choices.current, "aktuell"),
    ] {
        *label = german.into();
    }
    texts
}

/// A page of the app's own design. `text` escapes; `style` also allows the style sheet in the content security policy.
fn german(page: &LoginPage) -> HtmlPage {
    let texts = texts(page);
    let mut html = HtmlPage::new()
        .markup("<!doctype html><html lang=\"de\"><head><meta charset=\"utf-8\"><title>")
        .text(&texts.title)
        .markup("</title>")
        .style(STYLE)
        .markup("</head><body><main><h1>")
        .text(&texts.title)
        .markup("</h1>");
    for paragraph in &texts.paragraphs {
        html = html.markup("<p>").text(paragraph).markup("</p>");
    }
    for (label, value) in
        [(&texts.code_label, page.salesforce_code()), (&texts.reference_label, page.reference())]
    {
        if let Some(value) = value {
            html = html.markup("<p>").text(label).markup(": <code>").text(value).markup("</code></p>");
        }
    }
    // Login hosts and orgs to choose from, on the pages that have them.
    html = html.choices(page, &texts);
    for action in page.actions() {
        html = html.action(action, texts.labels.get(action.kind()));
    }
    html.markup("</main></body></html>")
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
