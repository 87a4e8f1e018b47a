//! Mailings through relays with TLS: by STARTTLS and from the first byte, and what is not trusted gets nothing. Row L7.
//! The mail server is a real one (aiosmtpd); its certificate is made for each test by openssl.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use kontor_proto::mail::v1 as mail;
use kontor_proto::mail::v1::{MailingBasis, MailingState};
use kontor_testbed::SmtpServer;
use kontor_tests::database::Place;
use kontor_tests::{Backend, Grpc, Process};
use tempfile::TempDir;
use tonic::Code;

use crate::mailings::{draft, settings};
use crate::support::eventually;

/// An authority that signs certificates, and that no system trusts by itself.
struct Authority(TempDir);

impl Authority {
    fn new() -> Authority {
        let authority = Authority(tempfile::tempdir().expect("a folder"));
        authority.openssl("authority", "/CN=An authority of tests", &[]);
        authority
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A certificate for this name and its key: NAME.pem and NAME.key.
    fn sign(&self, name: &str) {
        let (names, no_authority) =
            (format!("subjectAltName=DNS:{name}"), "basicConstraints=critical,CA:FALSE");
        let (by, by_key) = (text(&self.path("authority.pem")), text(&self.path("authority.key")));
        let more = ["-addext", &names, "-addext", no_authority, "-CA", &by, "-CAkey", &by_key];
        self.openssl(name, &format!("/CN={name}"), &more);
    }

    fn openssl(&self, name: &str, subject: &str, more: &[&str]) {
        let mut command = Command::new("openssl");
        command.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]);
        command.args(["-days", "2", "-subj", subject]).args(more).stderr(Stdio::null());
        command.arg("-out").arg(self.path(&format!("{name}.pem")));
        command.arg("-keyout").arg(self.path(&format!("{name}.key")));
        assert!(command.status().expect("openssl: tests/install makes it").success());
    }

    /// A server with the certificate of this name. `tls` is "implicit" or "starttls".
    fn server(&self, name: &str, tls: &str) -> SmtpServer {
        let (certificate, key) =
            (text(&self.path(&format!("{name}.pem"))), text(&self.path(&format!("{name}.key"))));
        let mut arguments = vec!["--tls", tls, "--certificate", &certificate, "--key", &key];
        if tls == "starttls" {
            arguments.push("anna:secret");
        }
        SmtpServer::start_with(&arguments)
    }
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

/// A Kontor that sends to this relay, and trusts those whose certificates are in the file.
async fn process(place: &Place, smtp: &SmtpServer, relay: &str, trusted: Option<PathBuf>) -> Process {
    let data = text(place.folder.path());
    let mut variables: Vec<(String, String)> = settings(smtp)
        .into_iter()
        .map(|(key, value)| (format!("KONTOR_{}", key.replace('.', "_").to_uppercase()), value))
        .collect();
    variables.retain(|(key, _)| key != "KONTOR_MAIL_RELAY");
    variables.push(("KONTOR_MAIL_RELAY".to_owned(), relay.to_owned()));
    variables.push(("KONTOR_LOG_LEVEL".to_owned(), "error".to_owned()));
    variables.extend(trusted.map(|file| ("SSL_CERT_FILE".to_owned(), text(&file))));
    Process::start_as(&["--listen", "127.0.0.1:0", "--data", &data, "--demo"], &variables).await
}

/// A mailing to these. Gives its name.
async fn mailing(grpc: &Grpc, addresses: &[&str]) -> String {
    let basis = MailingBasis::NotWithdrawn.into();
    let name = draft(grpc, "news", mail::Mailing { basis, ..Default::default() }).await;
    let recipient = |it: &&str| mail::NewRecipient { address: (*it).to_owned(), ..Default::default() };
    let recipients = addresses.iter().map(recipient).collect();
    let request = mail::AddRecipientsRequest { parent: name.clone(), recipients, ..Default::default() };
    grpc.mailings().add_recipients(request).await.expect("they are added");
    name
}

async fn start(grpc: &Grpc, name: &str, expected_recipients: i64) {
    let request =
        mail::StartMailingRequest { name: name.to_owned(), expected_recipients, ..Default::default() };
    grpc.mailings().start_mailing(request).await.expect("it starts");
}

async fn get(grpc: &Grpc, name: &str) -> mail::Mailing {
    let request = mail::GetMailingRequest { name: name.to_owned() };
    grpc.mailings().get_mailing(request).await.expect("it is there").into_inner()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn l7_a_relay_with_tls_gets_messages_by_starttls_and_from_the_first_byte() {
    let authority = Authority::new();
    authority.sign("localhost");
    for (tls, scheme) in [("starttls", "smtp+starttls://anna:secret@"), ("implicit", "smtps://")] {
        let (smtp, place) = (authority.server("localhost", tls), Place::new(Backend::Sqlite).await);
        let relay = format!("{scheme}localhost:{}", smtp.port());
        let running = process(&place, &smtp, &relay, Some(authority.path("authority.pem"))).await;
        let grpc = Grpc::new(&running.address, "sales", "demo");
        let all = ["a@one.example", "b@two.example", "c@three.example"];
        let name = mailing(&grpc, &all).await;
        start(&grpc, &name, 3).await;
        eventually("the end of the mailing", async || {
            Some(get(&grpc, &name).await).filter(|it| it.state() == MailingState::Completed)
        })
        .await;
        let mut taken = smtp.taken();
        taken.sort_by(|left, right| left.to.cmp(&right.to));
        assert_eq!(taken.iter().map(|it| it.to.as_str()).collect::<Vec<_>>(), all, "{tls}");
        assert!(taken.iter().all(|it| it.cipher.starts_with("TLS_")), "{tls}: {}", taken[0].cipher);
        assert!(running.stop().await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn l7_a_relay_that_is_not_trusted_gets_nothing_and_is_told_in_words() {
    let authority = Authority::new();
    authority.sign("localhost");
    authority.sign("mail.elsewhere.example");
    let trusted = || Some(authority.path("authority.pem"));
    let unknown = "install its issuer's certificate, or name its file in SSL_CERT_FILE";
    let other_name = "write the name in mail.relay that the certificate has";
    for (name, tls, scheme, trusted, words) in [
        ("localhost", "implicit", "smtps://", None, unknown),
        ("localhost", "starttls", "smtp+starttls://anna:secret@", None, unknown),
        ("mail.elsewhere.example", "implicit", "smtps://", trusted(), other_name),
        ("mail.elsewhere.example", "starttls", "smtp+starttls://anna:secret@", trusted(), other_name),
        // It offers no TLS at all: nothing is sent in the open.
        ("", "", "smtp+starttls://anna:secret@", trusted(), "STARTTLS is not supported"),
    ] {
        let smtp = if tls.is_empty() { SmtpServer::start() } else { authority.server(name, tls) };
        let place = Place::new(Backend::Sqlite).await;
        let relay = format!("{scheme}localhost:{}", smtp.port());
        let running = process(&place, &smtp, &relay, trusted).await;
        let grpc = Grpc::new(&running.address, "sales", "demo");
        let name = mailing(&grpc, &["a@one.example"]).await;
        let request = mail::SendTestMessageRequest {
            name: name.clone(),
            addresses: vec!["me@one.example".to_owned()],
            ..Default::default()
        };
        let told = grpc.mailings().send_test_message(request).await.expect_err("it is refused");
        assert_eq!(told.code(), Code::Unavailable);
        assert!(told.message().contains(words) && !told.message().contains("secret"), "{}", told.message());
        // A mailing waits for the relay, and nobody is marked as failed for it.
        start(&grpc, &name, 1).await;
        let list = mail::ListRecipientsRequest { parent: name.clone(), ..Default::default() };
        eventually("a try that gave the message back", async || {
            let found = grpc.mailings().list_recipients(list.clone()).await.expect("a list").into_inner();
            let one = found.recipients.into_iter().next().expect("a recipient");
            let is_later = one
                .due_time
                .zip(one.update_time)
                .is_some_and(|(due, update)| (due.seconds, due.nanos) > (update.seconds, update.nanos));
            (one.state() == mail::RecipientState::Pending && is_later).then_some(())
        })
        .await;
        assert_eq!(get(&grpc, &name).await.state(), MailingState::Running);
        assert!(smtp.taken().is_empty() && smtp.tries().is_empty());
        assert!(running.stop().await);
    }
}
