//! gRPC clients for one user, over the network, as another internal service would have them.
//! Called by scenarios through `Sandbox::grpc`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kontor_proto::calendar::v1 as calendar;
use kontor_proto::directory::v1 as directory;
use kontor_proto::mail::v1 as mail;
use kontor_proto::pipeline::v1 as pipeline;
use kontor_proto::segmentation::v1 as segmentation;
use kontor_proto::telephony::v1 as telephony;
use kontor_proto::templating::v1 as templating;
use tonic::metadata::MetadataValue;
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

/// A channel that signs in.
pub type Signed = InterceptedService<Channel, SignIn>;

/// Adds the `authorization` header.
#[derive(Clone)]
pub struct SignIn(Option<MetadataValue<tonic::metadata::Ascii>>);

impl Interceptor for SignIn {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(value) = &self.0 {
            request.metadata_mut().insert("authorization", value.clone());
        }
        Ok(request)
    }
}

/// Clients of every service.
#[derive(Clone)]
pub struct Grpc {
    channel: Channel,
    sign_in: SignIn,
}

macro_rules! clients {
    ($($(#[$meta:meta])* $name:ident => $path:path;)*) => {$(
        $(#[$meta])*
        pub fn $name(&self) -> $path {
            <$path>::new(InterceptedService::new(self.channel.clone(), self.sign_in.clone()))
        }
    )*};
}

impl Grpc {
    /// As a user with a password.
    pub fn new(address: &str, user: &str, password: &str) -> Grpc {
        Grpc::with_header(address, &format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))
    }

    /// With a bearer token.
    pub fn with_token(address: &str, token: &str) -> Grpc {
        Grpc::with_header(address, &format!("Bearer {token}"))
    }

    /// Without signing in.
    pub fn stranger(address: &str) -> Grpc {
        Grpc { channel: channel(address), sign_in: SignIn(None) }
    }

    fn with_header(address: &str, header: &str) -> Grpc {
        Grpc { channel: channel(address), sign_in: SignIn(Some(header.parse().expect("a header value"))) }
    }

    clients! {
        /// Reflection, as grpcurl asks it.
        reflection => tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient<Signed>;
        /// Users.
        users => directory::user_service_client::UserServiceClient<Signed>;
        /// Teams.
        teams => directory::team_service_client::TeamServiceClient<Signed>;
        /// Partners.
        partners => directory::partner_service_client::PartnerServiceClient<Signed>;
        /// Merges of partners.
        merges => directory::partner_merge_service_client::PartnerMergeServiceClient<Signed>;
        /// Erasures of partners.
        erasures => directory::erasure_service_client::ErasureServiceClient<Signed>;
        /// What partners agreed to.
        consents => directory::consent_service_client::ConsentServiceClient<Signed>;
        /// Contacts.
        contacts => directory::contact_service_client::ContactServiceClient<Signed>;
        /// Changes of directory.
        directory_changes => directory::change_service_client::ChangeServiceClient<Signed>;
        /// Leads.
        leads => pipeline::lead_service_client::LeadServiceClient<Signed>;
        /// Opportunities.
        opportunities => pipeline::opportunity_service_client::OpportunityServiceClient<Signed>;
        /// Pipelines.
        pipelines => pipeline::pipeline_service_client::PipelineServiceClient<Signed>;
        /// Scores and what was learned.
        scores => pipeline::score_service_client::ScoreServiceClient<Signed>;
        /// Who gets which opportunity.
        assignments => pipeline::assignment_service_client::AssignmentServiceClient<Signed>;
        /// Next steps.
        next_steps => pipeline::next_step_service_client::NextStepServiceClient<Signed>;
        /// Forecasts.
        forecasts => pipeline::forecast_service_client::ForecastServiceClient<Signed>;
        /// Exchange rates.
        exchange_rates => pipeline::exchange_rate_service_client::ExchangeRateServiceClient<Signed>;
        /// Imports of files.
        imports => pipeline::import_service_client::ImportServiceClient<Signed>;
        /// Changes of pipeline.
        pipeline_changes => pipeline::change_service_client::ChangeServiceClient<Signed>;
        /// Calendars.
        calendars => calendar::calendar_service_client::CalendarServiceClient<Signed>;
        /// Events.
        events => calendar::event_service_client::EventServiceClient<Signed>;
        /// Series cut in two.
        series => calendar::series_service_client::SeriesServiceClient<Signed>;
        /// Free and busy times.
        free_busy => calendar::free_busy_service_client::FreeBusyServiceClient<Signed>;
        /// Working hours and absences.
        availability => calendar::availability_service_client::AvailabilityServiceClient<Signed>;
        /// Files attached to events and tasks.
        attachments => calendar::attachment_service_client::AttachmentServiceClient<Signed>;
        /// Secret addresses of calendars.
        subscriptions => calendar::subscription_service_client::SubscriptionServiceClient<Signed>;
        /// Other times that guests propose.
        proposals => calendar::proposal_service_client::ProposalServiceClient<Signed>;
        /// Tasks.
        tasks => calendar::task_service_client::TaskServiceClient<Signed>;
        /// Connectors.
        connectors => telephony::connector_service_client::ConnectorServiceClient<Signed>;
        /// Calls.
        calls => telephony::call_service_client::CallServiceClient<Signed>;
        /// Changes of calendar.
        calendar_changes => calendar::change_service_client::ChangeServiceClient<Signed>;
        /// Changes of telephony.
        telephony_changes => telephony::change_service_client::ChangeServiceClient<Signed>;
        /// Call lists and their entries.
        call_lists => telephony::call_list_service_client::CallListServiceClient<Signed>;
        /// Who calls whom next.
        dispatch => telephony::dispatch_service_client::DispatchServiceClient<Signed>;
        /// Numbers that are not to be called.
        do_not_call => telephony::do_not_call_service_client::DoNotCallServiceClient<Signed>;
        /// Call events in.
        ingest => telephony::ingest_service_client::IngestServiceClient<Signed>;
        /// Operators.
        operators => telephony::operator_service_client::OperatorServiceClient<Signed>;
        /// The live board.
        boards => telephony::board_service_client::BoardServiceClient<Signed>;
        /// Pacing of call lists.
        pacings => telephony::pacing_service_client::PacingServiceClient<Signed>;
        /// Diallers of call lists.
        diallers => telephony::dialler_service_client::DiallerServiceClient<Signed>;
        /// Segments.
        segments => segmentation::segment_service_client::SegmentServiceClient<Signed>;
        /// Changes of segmentation.
        segmentation_changes => segmentation::change_service_client::ChangeServiceClient<Signed>;
        /// Questionnaires and answers.
        questionnaires => segmentation::questionnaire_service_client::QuestionnaireServiceClient<Signed>;
        /// Facts that other software tells.
        facts => segmentation::fact_service_client::FactServiceClient<Signed>;
        /// Sums of purchases.
        purchases => segmentation::purchase_statistics_service_client::PurchaseStatisticsServiceClient<Signed>;
        /// Phone campaigns.
        campaigns => segmentation::campaign_service_client::CampaignServiceClient<Signed>;
        /// Messages of templates.
        messages => templating::message_service_client::MessageServiceClient<Signed>;
        /// Templates of letters and messages.
        templates => templating::template_service_client::TemplateServiceClient<Signed>;
        /// Letters for many.
        letter_merges => templating::merge_service_client::MergeServiceClient<Signed>;
        /// Mailings.
        mailings => mail::mailing_service_client::MailingServiceClient<Signed>;
        /// Who gets no mailings.
        suppressions => mail::suppression_service_client::SuppressionServiceClient<Signed>;
        /// How fast domains get mail.
        domain_limits => mail::domain_limit_service_client::DomainLimitServiceClient<Signed>;
        /// Price lists.
        price_lists => segmentation::price_list_service_client::PriceListServiceClient<Signed>;
    }
}

fn channel(address: &str) -> Channel {
    Endpoint::from_shared(format!("http://{address}")).expect("an address").connect_lazy()
}
