//! Files of an account.

use actix_salesforce::{Salesforce, SalesforceConn, records::BlobUpload};
use actix_web::{
    HttpMessage as _, HttpRequest, HttpResponse,
    error::{ErrorBadRequest, ErrorPayloadTooLarge},
    http::header::{self, ContentDisposition, DispositionParam, DispositionType},
    web::{self, Bytes},
};
use serde_json::json;

use crate::form;

/// Largest file that the form takes, in bytes.
const MAX_BYTES: usize = 5 * 1024 * 1024;

/// Sends a file as a download, whatever its type: a page of another user must not run on this origin.
pub(crate) async fn download(
    sf: SalesforceConn,
    path: web::Path<(String, String)>,
) -> actix_salesforce::Result<HttpResponse> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct File {
        name: String,
    }
    let (account, id) = path.into_inner();
    // One that belongs to this account.
    let file = sf
        .query::<File>("SELECT Name FROM Attachment WHERE Id = :id AND ParentId = :account")
        .bind("id", id.as_str())
        .bind("account", account.as_str())
        .fetch_one()
        .await?;
    let blob = sf.sobject("Attachment").blob(id.as_str(), "Body").await?;
    let disposition = ContentDisposition {
        disposition: DispositionType::Attachment,
        parameters: vec![DispositionParam::Filename(file.name)],
    };
    Ok(HttpResponse::Ok()
        .insert_header(disposition)
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"))
        .content_type("application/octet-stream")
        .body(blob.bytes(MAX_BYTES).await?))
}

/// Stores the file of a form.
pub(crate) async fn upload(
    request: HttpRequest,
    salesforce: Salesforce,
    sf: SalesforceConn,
    account: web::Path<String>,
    payload: web::Payload,
) -> actix_web::Result<HttpResponse> {
    form::same_origin(&request, &salesforce)?;
    let body = payload
        .to_bytes_limited(MAX_BYTES + 4 * 1024)
        .await
        .map_err(|_| ErrorPayloadTooLarge("The file has more than 5 MB."))??;
    let (name, bytes) = file_of(&request, &body).ok_or_else(|| ErrorBadRequest("The form has no file."))?;
    let record = json!({ "ParentId": account.as_str(), "Name": name });
    let file = BlobUpload::new("Body", name, bytes);
    sf.sobject("Attachment").create_with_blob(&record, file).await?;
    Ok(HttpResponse::SeeOther()
        .insert_header((header::LOCATION, format!("/accounts/{account}#files")))
        .finish())
}

/// Name and bytes of the one file in a form (RFC 7578). A real app with larger forms takes `actix-multipart`.
fn file_of(request: &HttpRequest, body: &Bytes) -> Option<(String, Bytes)> {
    let kind = request.mime_type().ok()??;
    let boundary = kind.get_param("boundary")?;
    let delimiter = format!("--{boundary}");
    let start = body.strip_prefix(delimiter.as_bytes())?.strip_prefix(b"\r\n")?;
    let position = |text: &[u8], wanted: &[u8]| text.windows(wanted.len()).position(|part| part == wanted);
    let head_end = position(start, b"\r\n\r\n")?;
    let head = std::str::from_utf8(&start[..head_end]).ok()?;
    let content = &start[head_end + 4..];
    let length = position(content, format!("\r\n{delimiter}").as_bytes())?;
    let (_, name) = head.split_once("filename=\"")?;
    let name = name.split('"').next().filter(|name| !name.is_empty())?;
    // Only the last part of a path, as some browsers send one.
    let name = name.rsplit(['/', '\\']).next()?.to_owned();
    Some((name, body.slice_ref(&content[..length])))
}
