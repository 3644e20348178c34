// What the examples in the documentation share: they include this file, and run against a fake org.

/// A fake org with 40 accounts, an app around it, and a connection of its service user.
#[allow(dead_code, reason = "an example may need one of them only")]
async fn connect()
-> Result<(salesforce_fake_org::FakeOrg, actix_salesforce::Salesforce, actix_salesforce::Connection), Box<dyn std::error::Error>>
{
    use actix_salesforce::{Salesforce, oauth::ServiceUser};

    let org = salesforce_fake_org::FakeOrg::builder().execution_user("ada@example.com").start().await?;
    let salesforce = Salesforce::builder()
        .client_id(org.client_id())
        .client_secret(org.client_secret())
        .login_url(org.login_url())
        .service_user(ServiceUser::client_credentials(org.instance_url().parse()?))
        .build()
        .await?;
    let sf = salesforce.service_connection().await?;
    Ok((org, salesforce, sf))
}
