//! Encodes a record and its file as one `multipart/form-data` body (RFC 7578).

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use reqwest::header::HeaderValue;

use crate::{
    error::{Error, Result},
    http::streaming_body::Upload,
    records::blob::BlobUpload,
};

/// Returns the content type and the body.
///
/// The first part, whose name may be any, is the record as JSON. The second part, named after the file's field, is the
/// file. Source: REST API Developer Guide, "Insert or Update Blob Data".
pub(crate) fn body(record: Bytes, file: BlobUpload) -> Result<(HeaderValue, Upload)> {
    // 128 random bits: a file cannot contain the boundary by accident or on purpose.
    let [high, low] = [getrandom::u64(), getrandom::u64()];
    let (high, low) = (high.map_err(Error::internal)?, low.map_err(Error::internal)?);
    let boundary = format!("actix-salesforce-{high:016x}{low:016x}");
    let content_type = HeaderValue::try_from(format!("multipart/form-data; boundary={boundary}"));
    let mut head = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"entity\"\r\nContent-Type: application/json\r\n\r\n"
    )
    .into_bytes();
    head.extend_from_slice(&record);
    head.extend_from_slice(
        format!(
            "\r\n--{boundary}\r\nContent-Disposition: form-data; name=\"{}\"; filename=\"{}\"\r\nContent-Type: {}\r\n\r\n",
            file.field,
            escaped(&file.filename),
            file.content_type,
        )
        .as_bytes(),
    );
    let (head, tail) = (Bytes::from(head), Bytes::from(format!("\r\n--{boundary}--\r\n")));
    let length = head.len() as u64 + file.bytes.length + tail.len() as u64;
    let (open, file_length) = (file.bytes.open, file.bytes.length);
    let open = Arc::new(move || {
        let start = stream::iter([Ok(head.clone())]);
        let file = Upload { length: file_length, open: Arc::clone(&open) }.pieces();
        start.chain(file).chain(stream::iter([Ok(tail.clone())])).boxed()
    });
    Ok((content_type.map_err(Error::internal)?, Upload { length, open }))
}

/// Escapes quotes and control characters, which would end the name, as browsers do.
///
/// Source: HTML Standard, "Multipart form data".
fn escaped(filename: &str) -> String {
    let mut escaped = String::with_capacity(filename.len());
    for character in filename.chars() {
        if character == '"' || character.is_ascii_control() {
            escaped.push_str(&format!("%{:02X}", u32::from(character)));
        } else {
            escaped.push(character);
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use futures_util::TryStreamExt as _;

    use super::*;

    #[tokio::test]
    async fn a_file_name_cannot_break_out_and_the_length_is_exact() {
        let hostile = "a\"; name=\"x\r\nX-Y: z\\\u{0}ä.pdf";
        let file = BlobUpload::new("Body", hostile, "--bytes--").content_type("application/pdf");
        let (content_type, upload) = body(Bytes::from_static(b"{\"Name\":\"x\"}"), file).unwrap();
        for _ in 0..2 {
            let pieces: Vec<_> = (upload.open)().try_collect().await.unwrap();
            let whole = pieces.concat();
            assert_eq!(whole.len() as u64, upload.length);
            let text = String::from_utf8(whole).unwrap();
            let boundary = content_type.to_str().unwrap().split_once('=').unwrap().1;
            let parts: Vec<_> = text.split(&format!("--{boundary}")).collect();
            assert_eq!(parts.len(), 4, "{text}");
            assert!(parts[1].ends_with("\r\n\r\n{\"Name\":\"x\"}\r\n") && parts[3] == "--\r\n");
            let lines: Vec<_> = parts[2].split("\r\n").collect();
            assert_eq!(
                lines,
                [
                    "",
                    "Content-Disposition: form-data; name=\"Body\"; filename=\"a%22; name=%22x%0D%0AX-Y: z\\%00ä.pdf\"",
                    "Content-Type: application/pdf",
                    "",
                    "--bytes--",
                    "",
                ]
            );
        }
    }
}
