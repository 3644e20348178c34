//! Messages in the user's language. Codes stay as they are. The translations are unverified.

use serde_json::Value;

/// Code, then its message in German, French and Japanese.
const MESSAGES: [(&str, [&str; 3]); 6] = [
    (
        "INVALID_SESSION_ID",
        [
            "Sitzung abgelaufen oder ungültig",
            "Session expirée ou non valide",
            "セッションの期限が切れているか無効です",
        ],
    ),
    (
        "NOT_FOUND",
        [
            "Die angeforderte Ressource ist nicht vorhanden",
            "La ressource demandée n'existe pas",
            "要求されたリソースは存在しません",
        ],
    ),
    (
        "REQUEST_LIMIT_EXCEEDED",
        [
            "TotalRequests-Grenzwert überschritten.",
            "Limite TotalRequests dépassée.",
            "TotalRequests 制限を超えました。",
        ],
    ),
    (
        "REQUIRED_FIELD_MISSING",
        [
            "Erforderliche Felder fehlen",
            "Des champs obligatoires sont manquants",
            "必須項目に値が入力されていません",
        ],
    ),
    (
        "UNABLE_TO_LOCK_ROW",
        [
            "Exklusiver Zugriff auf diesen Datensatz nicht möglich",
            "Impossible d'obtenir un accès exclusif à cet enregistrement",
            "このレコードの排他アクセスを取得できません",
        ],
    ),
    (
        "ENTITY_IS_DELETED",
        ["Entität ist gelöscht", "L'entité est supprimée", "エンティティは削除されています"],
    ),
];

/// Translates the messages of errors anywhere in a body.
pub(super) fn translate(language: &str, body: &mut Value) {
    let place = match language {
        "de" => 0,
        "fr" => 1,
        "ja" => 2,
        _ => return,
    };
    translate_to(place, body);
}

fn translate_to(place: usize, body: &mut Value) {
    match body {
        Value::Array(items) => items.iter_mut().for_each(|item| translate_to(place, item)),
        Value::Object(members) => {
            let code = members.get("errorCode").or_else(|| members.get("statusCode")).and_then(Value::as_str);
            let known = MESSAGES.iter().find(|(known, _)| code == Some(*known));
            let text = known.and_then(|(_, texts)| texts.get(place));
            if let (Some(text), Some(message)) = (text, members.get_mut("message")) {
                *message = (*text).into();
            }
            members.values_mut().for_each(|value| translate_to(place, value));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::translate;

    #[test]
    fn messages_change_and_codes_stay() {
        let english = json!([{ "message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID" }]);
        let mut body = english.clone();
        translate("en_US", &mut body);
        assert_eq!(body, english);
        translate("de", &mut body);
        assert_eq!(body[0]["errorCode"], "INVALID_SESSION_ID");
        assert_eq!(body[0]["message"], "Sitzung abgelaufen oder ungültig");
    }
}
