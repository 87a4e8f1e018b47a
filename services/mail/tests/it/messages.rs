//! Messages as they arrive: headers, bodies, signature; the preview and the test that show them before.

use kontor_mail::Config;
use kontor_proto::mail::v1 as proto;
use kontor_testbed::smtp::python;
use kontor_testbed::{Place, SmtpServer, failure};
use tonic::{Code, Response};

use crate::world::{PAGE, World, config, sales};

kontor_testbed::on_both! { World;
    l7_each_recipient_gets_one_message_with_what_providers_ask_for,
    l7_the_preview_is_the_message_and_sends_nothing,
    l7_a_test_is_marked_and_counts_nowhere,
    l7_text_alone_and_other_languages_arrive_whole,
}

async fn l7_each_recipient_gets_one_message_with_what_providers_ask_for(world: World) {
    let anna = world.partner("Anna B\u{e4}rg", &["anna@one.example"]).await;
    let mailing = world
        .mailing(proto::Mailing { reply_to: "Sales <sales@kontor.example>".to_owned(), ..Default::default() })
        .await;
    world.add(&mailing, &[&anna, "bob@two.example", "post@b\u{fc}cher.example"]).await;
    let done = world.send(&mailing).await;
    let counts = done.counts.unwrap();
    assert_eq!((counts.recipients, counts.sent, counts.waiting), (3, 3, 0));
    assert!(done.finish_time.is_some());
    let mut taken = world.smtp.taken();
    taken.sort_by(|left, right| left.to.cmp(&right.to));
    let to: Vec<&str> = taken.iter().map(|it| it.to.as_str()).collect();
    assert_eq!(to, ["anna@one.example", "bob@two.example", "post@xn--bcher-kva.example"]);
    let message = &taken[0];
    let row = world.recipients(&mailing, "address = \"anna@one.example\"").await.remove(0);
    assert_eq!(message.id, row.message_id);
    assert!(row.message_id.ends_with("@kontor.example>"), "{}", row.message_id);
    assert_eq!((row.state(), row.reply_code, row.try_count), (proto::RecipientState::Sent, 250, 1));
    assert_eq!(message.header("From"), "\"Kontor Ltd\" <news@kontor.example>");
    assert_eq!(message.header("Reply-To"), "Sales <sales@kontor.example>");
    assert!(message.header("To").starts_with("=?utf-8?b?"), "{}", message.header("To"));
    assert!(message.header("Subject").contains("=?utf-8?"), "{}", message.header("Subject"));
    assert!(!message.header("Date").is_empty());
    assert_eq!(message.header("Precedence"), "bulk");
    let unsubscribe = message.header("List-Unsubscribe");
    let token = unsubscribe.strip_prefix("<https://crm.kontor.example/unsubscribe/").unwrap();
    assert_eq!(token.trim_end_matches('>').len(), 32, "{unsubscribe}");
    assert_eq!(message.header("List-Unsubscribe-Post"), "List-Unsubscribe=One-Click");
    assert!(message.header("Content-Type").starts_with("multipart/alternative"));
    assert!(message.data.contains("text/plain") && message.data.contains("text/html"));
    // The return path tells which message a bounce belongs to.
    assert!(
        message.from.starts_with("bounces+") && message.from.ends_with("@kontor.example"),
        "{}",
        message.from
    );
    let paths: std::collections::BTreeSet<&str> = taken.iter().map(|it| it.from.as_str()).collect();
    assert_eq!(paths.len(), 3);
}

async fn l7_the_preview_is_the_message_and_sends_nothing(world: World) {
    let anna = world.partner("Anna Berg", &["anna@one.example"]).await;
    let mailing = world.mailing(proto::Mailing::default()).await;
    let preview = async |partner: &str| {
        let request = proto::PreviewMessageRequest { name: mailing.clone(), partner: partner.to_owned() };
        world.mailings.clone().preview_message(sales().request(request)).await.map(Response::into_inner)
    };
    let seen = preview(&anna).await.unwrap();
    assert_eq!(seen.subject, "News for Anna Berg");
    assert!(seen.html.contains("Dear Anna Berg") && seen.text.contains("Dear Anna Berg"));
    let whole = String::from_utf8(seen.message.to_vec()).unwrap();
    assert!(whole.contains("To: \"Anna Berg\" <anna@one.example>"), "{whole}");
    assert!(whole.contains("List-Unsubscribe: <https://crm.kontor.example/unsubscribe/preview>"), "{whole}");
    assert_eq!(seen.obstacle, 0);
    world.suppress("Anna@one.example", "").await;
    assert_eq!(preview(&anna).await.unwrap().obstacle(), proto::RecipientState::Suppressed);
    let nobody = world.partner("Nobody", &[]).await;
    assert_eq!(preview(&nobody).await.unwrap().obstacle(), proto::RecipientState::NoAddress);
    assert_eq!(failure(preview("partners/none").await).0, Code::InvalidArgument);
    assert_eq!(world.smtp.count(), 0);
}

async fn l7_a_test_is_marked_and_counts_nowhere(world: World) {
    let anna = world.partner("Anna Berg", &["anna@one.example"]).await;
    let mailing = world.mailing(proto::Mailing::default()).await;
    world.add(&mailing, &["bob@two.example"]).await;
    world
        .smtp
        .set_rules(&["{\"stage\": \"rcpt\", \"match\": \"wrong@\", \"reply\": \"550 5.1.1 no such user\"}"]);
    let test = async |addresses: &[&str]| {
        let request = proto::SendTestMessageRequest {
            name: mailing.clone(),
            addresses: addresses.iter().map(|it| (*it).to_owned()).collect(),
            partner: anna.clone(),
        };
        world.mailings.clone().send_test_message(sales().request(request)).await.map(Response::into_inner)
    };
    let answer = test(&["me@kontor.example", "wrong@kontor.example", "you@kontor.example"]).await.unwrap();
    assert_eq!(answer.results.iter().map(|it| it.sent).collect::<Vec<_>>(), [true, false, true]);
    assert!(answer.results[1].reply.contains("5.1.1 no such user"), "{:?}", answer.results);
    let taken = world.smtp.taken();
    assert_eq!(taken[0].header("Subject"), "[Test] News for Anna Berg");
    assert_eq!(taken[0].header("X-Kontor-Test"), "yes");
    let counts = world.get(&mailing).await.counts.unwrap();
    assert_eq!((counts.recipients, counts.sent), (1, 0));
    assert!(world.suppression("wrong@kontor.example").await.is_err(), "a test suppresses nobody");
    assert_eq!(failure(test(&[]).await).0, Code::InvalidArgument);
    assert_eq!(failure(test(&["a@b.example"; 6]).await).0, Code::InvalidArgument);
    let wrong = test(&["a@b.example", "anna"]).await.unwrap_err();
    assert!(wrong.message().starts_with("addresses[1]: \"anna\" is no address"), "{}", wrong.message());
}

async fn l7_text_alone_and_other_languages_arrive_whole(world: World) {
    let long = "\u{4f60}\u{597d} ".repeat(400);
    let page = format!(
        "<!DOCTYPE html><html><body><p>{long}</p><p>a {{{{ message.unsubscribe_url }}}}</p></body></html>"
    );
    let template = world.template("long", &page).await;
    let mailing = world
        .mailing(proto::Mailing {
            display_name: "Long".to_owned(),
            template,
            subject: "\u{4f60}\u{597d} ".repeat(40),
            text: format!("{long}\n.\n..two dots\n{{{{ message.unsubscribe_url }}}}"),
            basis: proto::MailingBasis::NotWithdrawn.into(),
            ..Default::default()
        })
        .await;
    world.add(&mailing, &["bob@two.example"]).await;
    world.send(&mailing).await;
    let folder = std::env::temp_dir().join(format!("kontor-{}.eml", kontor_kit::id::new()));
    std::fs::write(&folder, &world.smtp.taken()[0].data).unwrap();
    // Read by another program.
    let script = "import email, email.policy, sys\nm = email.message_from_file(open(sys.argv[1], newline=''), policy=email.policy.default)\n\
        assert all(len(l) < 998 for l in open(sys.argv[1], newline='').read().split('\\r\\n'))\n\
        print(m['subject'].strip()); print(m.get_body(('plain',)).get_content()); print(m.get_body(('html',)).get_content())";
    let output = std::process::Command::new(python()).args(["-c", script]).arg(&folder).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap().replace("\r\n", "\n");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.starts_with(("\u{4f60}\u{597d} ".repeat(40)).trim()), "{text}");
    assert!(text.contains("\n.\n..two dots\n"), "{text}");
    assert_eq!(text.matches("\u{4f60}\u{597d}").count(), 40 + 400 + 400, "{text}");
    std::fs::remove_file(folder).unwrap();
}

/// DKIM with a key as OpenSSL makes it, checked by another implementation.
async fn signed(key: &[&str], public: &str) {
    let folder = std::env::temp_dir().join(format!("kontor-dkim-{}", kontor_kit::id::new()));
    std::fs::create_dir(&folder).unwrap();
    let file = folder.join("key.pem");
    let made = std::process::Command::new("openssl").args(key).arg("-out").arg(&file).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    let smtp = SmtpServer::start();
    let config = Config {
        dkim_domain: "kontor.example".to_owned(),
        dkim_selector: "k1".to_owned(),
        dkim_key_file: file.display().to_string(),
        ..config(&smtp)
    };
    let world = World::with(Place::sqlite(), smtp, &config).await;
    let mailing = world.mailing(proto::Mailing::default()).await;
    world.add(&mailing, &["bob@two.example"]).await;
    world.send(&mailing).await;
    let message = world.smtp.taken().remove(0);
    let signature = message.header("DKIM-Signature");
    for header in ["from", "to", "subject", "date", "message-id", "list-unsubscribe", "list-unsubscribe-post"]
    {
        assert!(signature.to_lowercase().contains(header), "{header} is not signed: {signature}");
    }
    let mail = folder.join("mail.eml");
    std::fs::write(&mail, &message.data).unwrap();
    let script = "import base64, dkim, subprocess, sys\n\
        der = subprocess.run(['openssl', 'pkey', '-in', sys.argv[1], '-pubout', '-outform', 'DER'], capture_output=True, check=True).stdout\n\
        key = der if sys.argv[3] == 'rsa' else der[-32:]\n\
        record = b'v=DKIM1; k=' + sys.argv[3].encode() + b'; p=' + base64.b64encode(key)\n\
        data = open(sys.argv[2], 'rb').read()\n\
        assert dkim.verify(data, dnsfunc=lambda name, timeout=5: record), 'the signature is wrong'\n\
        assert not dkim.verify(data.replace(b'One-Click', b'Two-Click'), dnsfunc=lambda name, timeout=5: record)";
    let checked =
        std::process::Command::new(python()).args(["-c", script]).arg(&file).arg(&mail).arg(public).output();
    let checked = checked.unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn l7_rsa_signatures_are_good() {
    signed(&["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"], "rsa").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn l7_ed25519_signatures_are_good() {
    signed(&["genpkey", "-algorithm", "ed25519"], "ed25519").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn l7_without_a_relay_nothing_starts_and_the_setting_is_named() {
    let smtp = SmtpServer::start();
    let none = Config { relay: String::new(), ..config(&smtp) };
    let world = World::with(Place::sqlite(), smtp, &none).await;
    let mailing = world.mailing(proto::Mailing::default()).await;
    world.add(&mailing, &["bob@two.example"]).await;
    let refused = world.try_start(&mailing, 1).await.unwrap_err();
    assert!(refused.message().contains("mail.relay"), "{}", refused.message());
    assert_eq!(failure::<proto::Mailing>(Err(refused)), (Code::FailedPrecondition, "NO_RELAY".to_owned()));
    let request = proto::SendTestMessageRequest {
        name: mailing.clone(),
        addresses: vec!["me@kontor.example".to_owned()],
        ..Default::default()
    };
    let test = world.mailings.clone().send_test_message(sales().request(request)).await;
    assert_eq!(failure(test), (Code::FailedPrecondition, "NO_RELAY".to_owned()));
    let request = proto::CheckMailingRequest { name: mailing };
    let check = world.mailings.clone().check_mailing(sales().request(request)).await.unwrap().into_inner();
    assert!(check.findings.iter().any(|it| it.field == "relay"), "{check:?}");
    assert_eq!((check.checked, check.would_get), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn l7_a_relay_that_wants_a_sign_in_gets_it_and_a_wrong_one_sends_nothing() {
    let smtp = SmtpServer::start_with(&["anna:s ecret"]);
    let address = smtp.address();
    let right = Config { relay: format!("smtp://anna:s%20ecret@{address}"), ..config(&smtp) };
    let world = World::with(Place::sqlite(), smtp, &right).await;
    let mailing = world.mailing(proto::Mailing::default()).await;
    world.add(&mailing, &["bob@two.example"]).await;
    world.send(&mailing).await;
    assert_eq!(world.taken(), ["bob@two.example"]);
    let smtp = SmtpServer::start_with(&["anna:secret"]);
    let wrong = Config { relay: format!("smtp://anna:other@{}", smtp.address()), ..config(&smtp) };
    let world = World::with(Place::sqlite(), smtp, &wrong).await;
    let template = world.template("t", PAGE).await;
    let mailing = world.mailing(proto::Mailing {
        display_name: "x".to_owned(),
        template,
        subject: "x".to_owned(),
        basis: 2,
        ..Default::default()
    });
    let request = proto::SendTestMessageRequest {
        name: mailing.await,
        addresses: vec!["me@kontor.example".to_owned()],
        ..Default::default()
    };
    let refused = world.mailings.clone().send_test_message(sales().request(request)).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    assert!(
        refused.message().contains("535") && !refused.message().contains("other"),
        "{}",
        refused.message()
    );
}
