//! A started mail beside a real directory and templating, with a real mail server as its relay, and helpers that make partners, templates and mailings.
//! Used by the other files of this folder. The clock stands still until a test moves it.

use std::time::Duration;

use kontor_kit::auth::Caller;
use kontor_kit::link::Link;
use kontor_mail::{Config, Peers};
use kontor_proto::directory::v1 as directory;
use kontor_proto::directory::v1::consent_service_client::ConsentServiceClient;
use kontor_proto::directory::v1::partner_service_client::PartnerServiceClient;
use kontor_proto::directory::v1::user_service_client::UserServiceClient;
use kontor_proto::mail::v1 as proto;
use kontor_proto::mail::v1::domain_limit_service_client::DomainLimitServiceClient;
use kontor_proto::mail::v1::mailing_service_client::MailingServiceClient;
use kontor_proto::mail::v1::suppression_service_client::SuppressionServiceClient;
use kontor_proto::mail::v1::unsubscribe_service_client::UnsubscribeServiceClient;
use kontor_proto::templating::v1 as templating;
use kontor_proto::templating::v1::template_service_client::TemplateServiceClient;
use kontor_proto::r#type::v1::Email;
use kontor_testbed::{Place, SmtpServer, admin, caller, patience};
use tonic::{Response, Status};

/// What a template says when a test does not care.
pub const PAGE: &str = "<!DOCTYPE html><html><head><title>News</title></head><body><p>Dear {{ partner.name }}, here is the news.</p>\
    <p><a href=\"{{ message.unsubscribe_url }}\">Unsubscribe</a></p></body></html>";

pub struct World {
    pub place: Place,
    pub smtp: SmtpServer,
    pub link: Link,
    pub directory: Link,
    pub templating: Link,
    pub mailings: MailingServiceClient<Link>,
    pub suppressions: SuppressionServiceClient<Link>,
    pub limits: DomainLimitServiceClient<Link>,
    pub unsubscribes: UnsubscribeServiceClient<Link>,
}

/// A leader of the team sales.
pub fn leader() -> Caller {
    caller("manager", &["sales"], &["sales"])
}

/// A member of the team sales.
pub fn sales() -> Caller {
    caller("sales", &["sales"], &[])
}

/// Somebody of another team.
pub fn neighbour() -> Caller {
    caller("neighbour", &["support"], &["support"])
}

/// Settings that send to this server as fast as it takes.
pub fn config(smtp: &SmtpServer) -> Config {
    Config {
        relay: smtp.relay(),
        from: "Kontor Ltd <news@kontor.example>".to_owned(),
        return_path: "bounces@kontor.example".to_owned(),
        connections: "4".to_owned(),
        domain_rate: "0".to_owned(),
        public_address: "https://crm.kontor.example".to_owned(),
        ..Config::default()
    }
}

impl World {
    pub async fn start(place: Place) -> World {
        let smtp = SmtpServer::start();
        let config = config(&smtp);
        World::with(place, smtp, &config).await
    }

    pub async fn with(mut place: Place, smtp: SmtpServer, config: &Config) -> World {
        place.context.company.name = "Kontor Ltd".to_owned();
        let directory = Link::local(kontor_directory::start(&place.context).await.unwrap().routes);
        // Whose fields messages show as the sender's.
        let user = directory::User { display_name: "Sally Seller".to_owned(), ..Default::default() };
        let request = directory::CreateUserRequest {
            user: Some(user),
            user_id: "sales".to_owned(),
            ..Default::default()
        };
        let mut users = UserServiceClient::new(directory.clone());
        users.create_user(admin().request(request)).await.unwrap();
        let peers = kontor_templating::Peers { directory: directory.clone() };
        let templating = Link::local(kontor_templating::start(&place.context, peers).await.unwrap().routes);
        let peers = Peers { directory: directory.clone(), templating: templating.clone() };
        let link = Link::local(kontor_mail::start(&place.context, peers, config).await.unwrap().routes);
        World {
            mailings: MailingServiceClient::new(link.clone()),
            suppressions: SuppressionServiceClient::new(link.clone()),
            limits: DomainLimitServiceClient::new(link.clone()),
            unsubscribes: UnsubscribeServiceClient::new(link.clone()),
            place,
            smtp,
            link,
            directory,
            templating,
        }
    }

    /// A partner with addresses, the first one preferred. Gives its name.
    pub async fn partner(&self, name: &str, addresses: &[&str]) -> String {
        let emails =
            addresses.iter().map(|it| Email { address: (*it).to_owned(), types: vec!["work".to_owned()] });
        let partner = directory::Partner {
            display_name: name.to_owned(),
            emails: emails.collect(),
            ..Default::default()
        };
        let request = directory::CreatePartnerRequest { partner: Some(partner), ..Default::default() };
        let mut client = PartnerServiceClient::new(self.directory.clone());
        client.create_partner(admin().request(request)).await.unwrap().into_inner().name
    }

    /// Gives a partner another address.
    pub async fn move_partner(&self, name: &str, address: &str) {
        let partner = directory::Partner {
            name: name.to_owned(),
            emails: vec![Email { address: address.to_owned(), types: vec![] }],
            ..Default::default()
        };
        let request = directory::UpdatePartnerRequest { partner: Some(partner), ..Default::default() };
        let mut client = PartnerServiceClient::new(self.directory.clone());
        client.update_partner(admin().request(request)).await.unwrap();
    }

    pub async fn consent(&self, partner: &str, state: directory::ConsentState) {
        let request = directory::SetConsentRequest {
            partner: partner.to_owned(),
            purpose: "mailings".to_owned(),
            state: state.into(),
            source: "a form".to_owned(),
            ..Default::default()
        };
        let mut client = ConsentServiceClient::new(self.directory.clone());
        client.set_consent(admin().request(request)).await.unwrap();
    }

    /// What counts of a partner's consent to mailings.
    pub async fn standing(&self, partner: &str) -> directory::ConsentState {
        let request = directory::GetPartnerRequest { name: partner.to_owned() };
        let mut client = PartnerServiceClient::new(self.directory.clone());
        let found = client.get_partner(admin().request(request)).await.unwrap().into_inner();
        let standing = found.consents.iter().find(|it| it.purpose == "mailings");
        standing.map_or(directory::ConsentState::Unspecified, directory::ConsentStanding::state)
    }

    pub async fn template(&self, id: &str, page: &str) -> String {
        let template = templating::Template {
            display_name: format!("Template {id}"),
            content: page.as_bytes().to_vec().into(),
            format: templating::TemplateFormat::Html.into(),
            ..Default::default()
        };
        let request = templating::CreateTemplateRequest {
            template: Some(template),
            template_id: id.to_owned(),
            ..Default::default()
        };
        let mut client = TemplateServiceClient::new(self.templating.clone());
        client.create_template(sales().request(request)).await.unwrap().into_inner().name
    }

    pub async fn try_mailing(&self, mailing: proto::Mailing) -> Result<proto::Mailing, Status> {
        let request = proto::CreateMailingRequest { mailing: Some(mailing), ..Default::default() };
        self.mailings.clone().create_mailing(sales().request(request)).await.map(Response::into_inner)
    }

    /// A draft for everybody who did not withdraw. Gives its name.
    pub async fn mailing(&self, more: proto::Mailing) -> String {
        if !more.template.is_empty() {
            return self.try_mailing(more).await.unwrap().name;
        }
        let id = kontor_kit::id::new();
        let template = self.template(&id, PAGE).await;
        let basis = match more.basis() {
            proto::MailingBasis::Unspecified => proto::MailingBasis::NotWithdrawn,
            basis => basis,
        };
        let mailing = proto::Mailing {
            display_name: "News".to_owned(),
            template,
            subject: if more.subject.is_empty() {
                "News for {{ partner.name }}".to_owned()
            } else {
                more.subject.clone()
            },
            basis: basis.into(),
            ..more
        };
        self.try_mailing(mailing).await.unwrap().name
    }

    pub async fn try_add(&self, mailing: &str, all: &[&str]) -> Result<proto::AddRecipientsResponse, Status> {
        let recipient = |it: &&str| match it.starts_with("partners/") {
            true => proto::NewRecipient { partner: (*it).to_owned(), address: String::new() },
            false => proto::NewRecipient { partner: String::new(), address: (*it).to_owned() },
        };
        let request = proto::AddRecipientsRequest {
            parent: mailing.to_owned(),
            recipients: all.iter().map(recipient).collect(),
            ..Default::default()
        };
        self.mailings.clone().add_recipients(sales().request(request)).await.map(Response::into_inner)
    }

    /// Adds partners and bare addresses.
    pub async fn add(&self, mailing: &str, all: &[&str]) -> proto::AddRecipientsResponse {
        self.try_add(mailing, all).await.unwrap()
    }

    pub async fn try_start(&self, mailing: &str, expected: i64) -> Result<proto::Mailing, Status> {
        let request = proto::StartMailingRequest {
            name: mailing.to_owned(),
            expected_recipients: expected,
            ..Default::default()
        };
        self.mailings.clone().start_mailing(sales().request(request)).await.map(Response::into_inner)
    }

    /// Starts one with all that wait.
    pub async fn go(&self, mailing: &str) -> proto::Mailing {
        let waiting = self.get(mailing).await.counts.unwrap().waiting;
        self.try_start(mailing, waiting).await.unwrap()
    }

    pub async fn get(&self, mailing: &str) -> proto::Mailing {
        let request = proto::GetMailingRequest { name: mailing.to_owned() };
        self.mailings.clone().get_mailing(sales().request(request)).await.unwrap().into_inner()
    }

    /// Waits until a mailing is as it should be.
    pub async fn until(&self, mailing: &str, is_so: impl Fn(&proto::Mailing) -> bool) -> proto::Mailing {
        let mut now = self.get(mailing).await;
        for () in patience() {
            if is_so(&now) {
                return now;
            }
            // No need to wait for what does not come.
            assert!(now.pause_reason.is_empty(), "{}", now.pause_reason);
            tokio::time::sleep(Duration::from_millis(20)).await;
            now = self.get(mailing).await;
        }
        panic!("it did not come: {now:?} {:?}", self.recipients(mailing, "").await);
    }

    pub async fn until_state(&self, mailing: &str, state: proto::MailingState) -> proto::Mailing {
        self.until(mailing, |it| it.state() == state).await
    }

    /// Starts one and follows it to its end.
    pub async fn send(&self, mailing: &str) -> proto::Mailing {
        self.go(mailing).await;
        self.until_state(mailing, proto::MailingState::Completed).await
    }

    pub async fn recipients(&self, mailing: &str, filter: &str) -> Vec<proto::Recipient> {
        let request = proto::ListRecipientsRequest {
            parent: mailing.to_owned(),
            page_size: 1_000,
            filter: filter.to_owned(),
            ..Default::default()
        };
        let answer = self.mailings.clone().list_recipients(sales().request(request)).await.unwrap();
        answer.into_inner().recipients
    }

    /// States of the recipients in the order in which they were added, each with its reason.
    pub async fn states(&self, mailing: &str) -> Vec<(proto::RecipientState, String)> {
        self.recipients(mailing, "").await.into_iter().map(|it| (it.state(), it.reason)).collect()
    }

    pub async fn suppress(&self, address: &str, domain: &str) -> proto::Suppression {
        let suppression = proto::Suppression {
            address: address.to_owned(),
            domain: domain.to_owned(),
            ..Default::default()
        };
        let request =
            proto::CreateSuppressionRequest { suppression: Some(suppression), ..Default::default() };
        self.suppressions.clone().create_suppression(sales().request(request)).await.unwrap().into_inner()
    }

    pub async fn suppression(&self, address: &str) -> Result<proto::Suppression, Status> {
        let request = proto::FindSuppressionRequest { address: address.to_owned() };
        self.suppressions.clone().find_suppression(sales().request(request)).await.map(Response::into_inner)
    }

    pub async fn pause(&self, mailing: &str) -> Result<proto::Mailing, Status> {
        let request = proto::PauseMailingRequest { name: mailing.to_owned(), ..Default::default() };
        self.mailings.clone().pause_mailing(sales().request(request)).await.map(Response::into_inner)
    }

    pub async fn resume(&self, mailing: &str) -> Result<proto::Mailing, Status> {
        let request = proto::ResumeMailingRequest { name: mailing.to_owned(), ..Default::default() };
        self.mailings.clone().resume_mailing(sales().request(request)).await.map(Response::into_inner)
    }

    /// Whom the server took something for, sorted.
    pub fn taken(&self) -> Vec<String> {
        let mut all: Vec<String> = self.smtp.taken().into_iter().map(|it| it.to).collect();
        all.sort();
        all
    }

    /// Waits until the server took so many.
    pub async fn until_taken(&self, count: usize) {
        for () in patience() {
            if self.smtp.count() >= count {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{} of {count} were taken", self.smtp.count());
    }

    /// Time in which a sender that should do nothing would do something: two of its looks and a tick.
    pub async fn a_while(&self) {
        tokio::time::sleep(Duration::from_millis(1_500)).await;
    }
}
