//! `call-metadata`: writes the credential with which Salesforce calls the app.

use std::{io::Write as _, path::PathBuf, process::ExitCode};

use actix_salesforce::{Config, inbound::Caller};
use clap::{Args, ValueHint};

use crate::{
    failure::Failure,
    project::{self, Component, Xml, api_name},
    settings_file::SettingsFile,
};

/// The principal of the credential: each user calls as that user.
const PRINCIPAL: &str = "User";

/// Writes the files of a Named Credential with which Apex, flows and External Services call the app
///
/// An External Credential that signs a JWT as `SalesforceCall` takes it, a Named Credential with the app's address, and a
/// permission set for the users who may call. Issuer, audience, certificate and claims follow from the caller of the
/// settings: SALESFORCE_CALLER_ISSUER, SALESFORCE_CALLER_AUDIENCE, SALESFORCE_CALLER_CERTIFICATES, SALESFORCE_PUBLIC_URL.
/// The certificate is made in Setup before. Files and members are from Salesforce's documentation; a deployment is
/// unverified.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  actix-salesforce call-metadata
  actix-salesforce call-metadata --name Orders_App --certificate orders_2027 --out sfdx
  cd salesforce && sf project deploy start --target-org YOUR-ORG

Exit status: 0 fine, 2 wrong use, or a file that exists.")]
pub(crate) struct CallMetadata {
    /// The API name of both credentials: letters, digits and single underscores. Apex calls `callout:NAME`
    #[arg(long, default_value = "Actix_App", value_parser = api_name)]
    name: String,
    /// The name that administrators see. Default: the API name
    #[arg(long)]
    label: Option<String>,
    /// The unique name in Setup of the certificate that signs. Default: the one of the settings
    #[arg(long, value_name = "NAME")]
    certificate: Option<String>,
    /// Write the org's id as a text instead of the formula `{!$Organization.Id}`. A sandbox that is copied has the text of
    /// its org then, and counts as the org
    #[arg(long)]
    constant_organization: bool,
    /// The id of the org that calls, where the settings have several callers
    #[arg(long, value_name = "ID")]
    organization: Option<String>,
    /// The folder to write to. A folder with a sfdx-project.json keeps it
    #[arg(long, short, value_name = "FOLDER", default_value = "salesforce", value_hint = ValueHint::DirPath)]
    out: PathBuf,
    /// Overwrite files that exist
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    settings: SettingsFile,
}

pub(crate) fn run(arguments: CallMetadata) -> Result<ExitCode, Failure> {
    let config = arguments.settings.read()?.with_variables(|name| std::env::var(name).ok());
    let caller = caller(&config, arguments.organization.as_deref())?;
    let certificate = certificate(caller, arguments.certificate.as_deref())?;
    let endpoint = config.public_url.trim().trim_end_matches('/');
    if !endpoint.starts_with("https://") {
        return Err(Failure::new(
            "Salesforce calls https addresses only, and the settings have none for the app",
        )
        .help("set SALESFORCE_PUBLIC_URL to the address at which Salesforce reaches the app"));
    }
    let credential = Credential {
        name: &arguments.name,
        label: arguments.label.clone().unwrap_or_else(|| arguments.name.replace('_', " ")),
        certificate,
        endpoint,
        caller,
        has_constant_organization: arguments.constant_organization,
    };
    project::write(&arguments.out, &config.login_url, credential.components(), arguments.force)?;
    // Nothing is left to tell of an error of standard error.
    let _ = writeln!(anstream::stderr(), "\n{}", next_steps(&arguments, certificate));
    Ok(ExitCode::SUCCESS)
}

/// Returns the caller of the settings, whose texts are there.
fn caller<'a>(config: &'a Config, organization: Option<&str>) -> Result<&'a Caller, Failure> {
    let callers = &config.inbound.callers;
    // Ids of 15 and of 18 characters begin alike.
    let is_named = |caller: &&Caller| {
        organization.is_none_or(|id| caller.organization.get(..15).is_some_and(|first| id.starts_with(first)))
    };
    let mut found = callers.iter().filter(is_named);
    let caller = match (found.next(), found.next()) {
        (Some(caller), None) => caller,
        (Some(_), Some(_)) => {
            return Err(Failure::new("the settings have several callers")
                .help("name the org of one with `--organization`, and write each into another `--name`"));
        }
        (None, _) if callers.is_empty() => {
            return Err(Failure::new("the settings have no caller").help(
                "set SALESFORCE_CALLER_ORG, SALESFORCE_CALLER_AUDIENCE, SALESFORCE_CALLER_ISSUER and \
                 SALESFORCE_CALLER_CERTIFICATES: docs/settings.md",
            ));
        }
        (None, _) => {
            return Err(Failure::new("no caller of the settings has this org")
                .help("give `--organization` one of the ids in the settings"));
        }
    };
    for (text, variable) in [
        (&caller.organization, "SALESFORCE_CALLER_ORG"),
        (&caller.audience, "SALESFORCE_CALLER_AUDIENCE"),
        (&caller.issuer, "SALESFORCE_CALLER_ISSUER"),
    ] {
        if text.trim().is_empty() {
            return Err(Failure::new(format_args!("the caller of the settings lacks {variable}"))
                .help("set it: the app refuses every call without it"));
        }
    }
    Ok(caller)
}

/// Returns the unique name of the certificate that signs.
fn certificate<'a>(caller: &'a Caller, named: Option<&'a str>) -> Result<&'a str, Failure> {
    let known = || caller.certificates.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
    match named {
        Some(name) if caller.certificates.contains_key(name) => Ok(name),
        Some(name) => {
            Err(Failure::new(format_args!("the caller of the settings has no certificate `{name}`"))
                .help(format!("name one of these, or add it to SALESFORCE_CALLER_CERTIFICATES: {}", known())))
        }
        None => match caller.certificates.keys().collect::<Vec<_>>().as_slice() {
            [name] => Ok(name),
            [] => Err(Failure::new("the caller of the settings has no certificate").help(
                "make one in Setup, Certificate and Key Management, download it, and set \
                 SALESFORCE_CALLER_CERTIFICATES=UNIQUE_NAME=PATH",
            )),
            _ => Err(Failure::new("the caller of the settings has several certificates")
                .help(format!("name the one that signs with `--certificate`: {}", known()))),
        },
    }
}

/// What the files say.
struct Credential<'a> {
    name: &'a str,
    label: String,
    certificate: &'a str,
    endpoint: &'a str,
    caller: &'a Caller,
    has_constant_organization: bool,
}

impl Credential<'_> {
    fn components(&self) -> Vec<Component> {
        vec![self.external_credential(), self.named_credential(), self.permission_set()]
    }

    /// Source: Metadata API Developer Guide, "ExternalCredential"; Salesforce Help, "JWT Claims of External Credentials".
    /// Salesforce adds `iat`, `nbf`, `exp`, `kid` and `typ`.
    fn external_credential(&self) -> Component {
        let caller = self.caller;
        let mut xml = Xml::new("ExternalCredential");
        xml.text("authenticationProtocol", "Jwt");
        // Whether the formula of the org is accepted in a claim is unverified.
        let organization =
            if self.has_constant_organization { caller.organization.as_str() } else { "{!$Organization.Id}" };
        let organization = caller.organization_claim.as_deref().map(|claim| (claim, organization));
        // The app needs the user name for JWT bearer only.
        let username = caller.key.is_some().then_some((caller.username_claim.as_str(), "{!$User.Username}"));
        let claims =
            [("aud", caller.audience.as_str()), ("iss", caller.issuer.as_str()), ("sub", "{!$User.Id}")];
        for (claim, value) in claims.into_iter().chain(organization).chain(username) {
            xml.group("externalCredentialParameters", |xml| {
                xml.text("parameterName", claim);
                xml.text("parameterType", "JwtBodyClaim");
                xml.text("parameterValue", value);
            });
        }
        xml.group("externalCredentialParameters", |xml| {
            xml.text("certificate", self.certificate);
            xml.text("parameterName", "SigningCertificate");
            xml.text("parameterType", "SigningCertificate");
        });
        xml.group("externalCredentialParameters", |xml| {
            xml.text("parameterName", PRINCIPAL);
            xml.text("parameterType", "PerUserPrincipal");
            xml.text("sequenceNumber", "1");
        });
        xml.text("label", &self.label);
        xml.component("externalCredentials", self.name, "externalCredential")
    }

    /// Source: Metadata API Developer Guide, "NamedCredential".
    fn named_credential(&self) -> Component {
        let mut xml = Xml::new("NamedCredential");
        xml.flag("allowMergeFieldsInBody", false);
        xml.flag("allowMergeFieldsInHeader", false);
        xml.text("calloutStatus", "Enabled");
        xml.flag("generateAuthorizationHeader", true);
        xml.text("label", &self.label);
        xml.group("namedCredentialParameters", |xml| {
            xml.text("parameterName", "Url");
            xml.text("parameterType", "Url");
            xml.text("parameterValue", self.endpoint);
        });
        xml.group("namedCredentialParameters", |xml| {
            xml.text("externalCredential", self.name);
            xml.text("parameterName", "ExternalCredential");
            xml.text("parameterType", "Authentication");
        });
        xml.text("namedCredentialType", "SecuredEndpoint");
        xml.component("namedCredentials", self.name, "namedCredential")
    }

    /// Source: Metadata API Developer Guide, "PermissionSet"; Salesforce Help, "Enable User External Credentials".
    fn permission_set(&self) -> Component {
        let mut xml = Xml::new("PermissionSet");
        xml.text("description", &format!("Users who may call {}", self.endpoint));
        xml.group("externalCredentialPrincipalAccesses", |xml| {
            xml.flag("enabled", true);
            // The form of the name is the one of retrieved files. Unverified.
            xml.text("externalCredentialPrincipal", &format!("{}-{PRINCIPAL}", self.name));
        });
        xml.flag("hasActivationRequired", false);
        xml.text("label", &format!("Calls to {}", self.label));
        xml.group("objectPermissions", |xml| {
            for permission in ["allowCreate", "allowDelete", "allowEdit"] {
                xml.flag(permission, false);
            }
            xml.flag("allowRead", true);
            xml.flag("modifyAllRecords", false);
            xml.text("object", "UserExternalCredential");
            xml.flag("viewAllRecords", false);
        });
        xml.component("permissionsets", &format!("{}_Calls", self.name), "permissionset")
    }
}

fn next_steps(arguments: &CallMetadata, certificate: &str) -> String {
    let CallMetadata { name, out, .. } = arguments;
    format!(
        "Before, in Setup, Certificate and Key Management: the certificate {certificate}, RSA of 2,048 bits or more.\n\
         Next, in {}:\n  sf project deploy start --target-org YOUR-ORG\n  sf org assign permset --name {name}_Calls \
         --target-org YOUR-ORG --on-behalf-of USERNAME\nApex calls `callout:{name}/PATH` then.",
        out.display(),
    )
}
