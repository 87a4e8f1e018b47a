//! The body of push-register: as clients write it, and rubbish.

use kontor_gateway::dav::xml::push::register;

fn body(inside: &str) -> Vec<u8> {
    format!(
        "<push-register xmlns=\"https://bitfire.at/webdav-push\" xmlns:D=\"DAV:\">{inside}</push-register>"
    )
    .into_bytes()
}

const SUBSCRIPTION: &str = "<subscription><web-push-subscription><push-resource>https://up.example.net/yohd4yai5Phiz1wi</push-resource>\
    <content-encoding>aes128gcm</content-encoding><subscription-public-key type=\"p256dh\">BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4\
    </subscription-public-key><auth-secret>BTBZMqHH6r4Tts7J_aSIgg</auth-secret></web-push-subscription></subscription>";

#[test]
fn a_registration_is_read_with_the_example_of_rfc_8291() {
    let trigger = "<trigger><content-update><D:depth>infinity</D:depth></content-update></trigger><expires>Wed, 20 Dec 2023 10:03:31 GMT</expires>";
    let found = register(&body(&format!("{SUBSCRIPTION}{trigger}<unknown><x/></unknown>"))).unwrap();
    assert_eq!(found.push_resource, "https://up.example.net/yohd4yai5Phiz1wi");
    assert_eq!((found.public_key.len(), found.auth_secret.len()), (65, 16));
    assert!(found.content_updates && !found.property_updates);
    assert_eq!(found.expires, "Wed, 20 Dec 2023 10:03:31 GMT");
}

#[test]
fn without_triggers_all_are_meant_and_unknown_ones_are_none() {
    for empty in ["", "<trigger/>"] {
        let found = register(&body(&format!("{SUBSCRIPTION}{empty}"))).unwrap();
        assert!(found.content_updates && found.property_updates);
    }
    let found = register(&body(&format!("{SUBSCRIPTION}<trigger><other/></trigger>"))).unwrap();
    assert!(!found.content_updates && !found.property_updates);
}

#[test]
fn rubbish_is_refused_or_left_empty() {
    assert!(register(b"").is_err());
    assert!(register(b"<push-register/>").is_err());
    assert!(register(b"<!DOCTYPE a><push-register xmlns=\"https://bitfire.at/webdav-push\"/>").is_err());
    let found = register(&body(&SUBSCRIPTION.replace("BCVx", "!!!!"))).unwrap();
    assert!(found.public_key.is_empty());
    assert!(register(&body("")).unwrap().push_resource.is_empty());
}
