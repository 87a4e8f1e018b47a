//! SegmentBookService: books that show the partners of segments over CardDAV, as segmentation says. The engine keeps who is in them (ADR 26).
//! Called by segmentation.

use kontor_collection::store::collection;
use kontor_collection::{COMPANY, SHOWN_SLUG, shown};
use kontor_kit::auth::Caller;
use kontor_kit::db::{Db, Tx};
use kontor_kit::{Error, Result, id};
use kontor_proto::directory::v1 as proto;
use kontor_proto::directory::v1::segment_book_service_server::SegmentBookService;
use tonic::{Request, Response, Status};

use crate::store::card::company_book;

/// Partners in one request at most, each way.
const PARTNERS: usize = 1_000;

/// The service.
pub struct SegmentBooks {
    pub(super) db: Db,
}

type Answer<T> = std::result::Result<Response<T>, Status>;

fn slug(segment: &str) -> Result<String> {
    Ok(format!("{SHOWN_SLUG}{}", id::parse("segments", segment, "segment")?))
}

/// Ids of partners, which are those of their cards.
fn ids(names: &[String], field: &str) -> Result<Vec<String>> {
    if names.len() > PARTNERS {
        return Err(Error::invalid(field, format!("name at most {PARTNERS}")));
    }
    names.iter().map(|name| id::parse("partners", name, field).map(str::to_owned)).collect()
}

#[tonic::async_trait]
impl SegmentBookService for SegmentBooks {
    async fn put_segment_book(&self, request: Request<proto::PutSegmentBookRequest>) -> Answer<()> {
        Caller::of(&request)?.must_be_system()?;
        let request = request.into_inner();
        let slug = slug(&request.segment)?;
        let (joined, left) = (ids(&request.joined, "joined")?, ids(&request.left, "left")?);
        if !request.team.is_empty() {
            id::parse("teams", &request.team, "team")?;
        }
        let write = self.db.write(move |tx: &mut Tx<'_>| {
            // First the cards' own book, as every change of a card does.
            collection::lock(tx, &company_book())?;
            let grantee = if request.team.is_empty() { COMPANY } else { &request.team };
            let book = shown::ensure(tx, &slug, &request.display_name, grantee)?;
            if request.clear {
                shown::clear(tx, book.num)?;
            }
            shown::join(tx, book.num, &company_book(), &joined)?;
            shown::leave(tx, book.num, &left)?;
            shown::describe(tx, &book, &request.display_name, &request.description)
        });
        write.await?;
        Ok(Response::new(()))
    }

    async fn delete_segment_book(&self, request: Request<proto::DeleteSegmentBookRequest>) -> Answer<()> {
        Caller::of(&request)?.must_be_system()?;
        let slug = slug(&request.get_ref().segment)?;
        self.db.write(move |tx| shown::remove(tx, &slug)).await?;
        Ok(Response::new(()))
    }
}
