//! Documents as a tree of files: templates are saved in place, letters stand in their partner's folder, locks keep others from writing (row D14).

use kontor_kit::auth::Caller;
use kontor_proto::templating::v1 as proto;
use kontor_proto::templating::v1::file_service_client::FileServiceClient;
use kontor_testbed::{failure, patience};
use tonic::{Code, Response, Status};

use crate::letters::anna;
use crate::support::{docx, p, paragraphs, part};
use crate::world::{LIMIT, World, leader, neighbour, sales};

kontor_testbed::on_both! { World;
    d14_a_document_that_is_saved_in_place_is_a_revision_of_its_template,
    d14_letters_stand_in_their_partners_folder_to_be_read_only,
    l7_a_file_of_a_message_is_a_template_of_its_format,
    d14_locks_keep_others_from_writing_and_end_by_themselves,
    d14_what_is_no_document_is_the_users_own,
    d14_a_template_that_is_set_aside_is_seen_again_after_a_minute,
    d14_a_file_that_changes_while_it_is_moved_over_a_template_is_not_lost,
}

type Client = FileServiceClient<kontor_kit::link::Link>;

fn files(world: &World) -> Client {
    FileServiceClient::new(world.link.clone()).max_decoding_message_size(LIMIT)
}

async fn write(world: &World, caller: &Caller, path: &str, data: Vec<u8>) -> Result<proto::File, Status> {
    let request =
        proto::WriteFileRequest { path: path.to_owned(), data: data.into(), create: true, create_new: false };
    files(world).write_file(caller.request(request)).await.map(Response::into_inner)
}

async fn list(world: &World, caller: &Caller, path: &str) -> Vec<String> {
    let request = proto::ListFilesRequest { path: path.to_owned() };
    let found = files(world).list_files(caller.request(request)).await.unwrap().into_inner().files;
    found.into_iter().map(|file| file.path).collect()
}

async fn read(world: &World, caller: &Caller, path: &str) -> Result<Vec<u8>, Status> {
    let request = proto::ReadFileRequest { path: path.to_owned() };
    let answer = files(world).read_file(caller.request(request)).await?;
    Ok(answer.into_inner().data.to_vec())
}

async fn d14_a_document_that_is_saved_in_place_is_a_revision_of_its_template(world: World) {
    let path = "templates/Offer.docx";
    // An office program locks a new name, makes it empty, then fills it.
    write(&world, &sales(), path, Vec::new()).await.unwrap();
    let first = write(&world, &sales(), path, docx(&p("One"))).await.unwrap();
    let listed = world.templates.clone().list_templates(sales().request(Default::default())).await.unwrap();
    let template = listed.into_inner().templates.remove(0);
    assert_eq!((template.display_name.as_str(), template.owner.as_str()), ("Offer", "users/sales"));
    let second = write(&world, &sales(), path, docx(&p("Dear {{ partner.nane }}"))).await.unwrap();
    assert_ne!(first.etag, second.etag);
    let get = proto::GetTemplateRequest { name: template.name.clone() };
    let template = world.templates.clone().get_template(sales().request(get)).await.unwrap().into_inner();
    // What has just been typed is not lost, and nothing is made of it.
    assert!(template.revision.ends_with("/revisions/2"));
    assert_eq!(template.state(), proto::TemplateState::Draft);
    assert_eq!(read(&world, &sales(), path).await.unwrap(), docx(&p("Dear {{ partner.nane }}")));
    let bomb = crate::support::docx_of(&[
        ("word/document.xml", "<w:document XMLNS><w:body/></w:document>"),
        ("word/vbaProject.bin", "x"),
    ]);
    assert_eq!(failure(write(&world, &sales(), path, bomb).await).0, Code::PermissionDenied);
    assert_eq!(failure(read(&world, &neighbour(), path).await).0, Code::NotFound);
    assert_eq!(list(&world, &sales(), "templates").await, [path]);
    assert_eq!(list(&world, &neighbour(), "templates").await, Vec::<String>::new());
    let request =
        proto::MoveFileRequest { path: path.to_owned(), destination: "templates/Bid.docx".to_owned() };
    files(&world).move_file(sales().request(request)).await.unwrap();
    assert_eq!(list(&world, &sales(), "templates").await, ["templates/Bid.docx"]);
}

async fn l7_a_file_of_a_message_is_a_template_of_its_format(world: World) {
    let mjml = "<mjml><mj-body><mj-section><mj-column><mj-text>{{ partner.name }}</mj-text></mj-column></mj-section></mj-body></mjml>";
    for (path, content, format) in [
        ("templates/News.html", "<p>Dear {{ partner.name }}", proto::TemplateFormat::Html),
        ("templates/News.mjml", mjml, proto::TemplateFormat::Mjml),
        ("templates/News.txt", "Dear {{ partner.name }}", proto::TemplateFormat::Text),
    ] {
        write(&world, &sales(), path, content.into()).await.unwrap();
        let filter = format!("format = {}", format.as_str_name());
        let request = proto::ListTemplatesRequest { filter, ..Default::default() };
        let found =
            world.templates.clone().list_templates(sales().request(request)).await.unwrap().into_inner();
        assert_eq!(found.templates.len(), 1, "{path}");
        assert_eq!(found.templates[0].state(), proto::TemplateState::Ready, "{path}");
        assert_eq!(read(&world, &sales(), path).await.unwrap(), content.as_bytes());
    }
    // A mistake is kept as a draft, and is a new revision; a document of Word in its place is not taken.
    write(&world, &sales(), "templates/News.html", "<script>x</script>".into()).await.unwrap();
    let refused = write(&world, &sales(), "templates/News.html", docx(&p("x"))).await;
    assert_eq!(failure(refused).0, Code::PermissionDenied);
    let request = proto::ListTemplatesRequest { filter: "state = DRAFT".to_owned(), ..Default::default() };
    let found = world.templates.clone().list_templates(sales().request(request)).await.unwrap().into_inner();
    assert_eq!(found.templates[0].findings[0].tag, "<script>");
    let names = list(&world, &sales(), "templates").await;
    assert_eq!(names, ["templates/News.html", "templates/News.mjml", "templates/News.txt"]);
    // Below a folder of one's own it is a file like any other.
    let folder = proto::MakeFolderRequest { path: "templates/old".to_owned() };
    files(&world).make_folder(sales().request(folder)).await.unwrap();
    write(&world, &sales(), "templates/old/a.txt", "{{ x".into()).await.unwrap();
    assert_eq!(read(&world, &sales(), "templates/old/a.txt").await.unwrap(), b"{{ x");
}

async fn d14_letters_stand_in_their_partners_folder_to_be_read_only(world: World) {
    let anna = anna(&world).await;
    world.add_template("a", docx(&p("Dear {{ partner.first_name }}")), &[]).await;
    let request = proto::CreateMergeRequest {
        template: "templates/a".to_owned(),
        partners: vec![anna.clone()],
        ..Default::default()
    };
    world.merge(request).await;
    let folder = format!("letters/Anna Müller ({})", anna.trim_start_matches("partners/"));
    assert_eq!(list(&world, &sales(), "letters").await, [folder.as_str()]);
    let found = list(&world, &sales(), &folder).await;
    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with(&format!("{folder}/2026-11-23 Template a ")), "{found:?}");
    let letter = read(&world, &sales(), &found[0]).await.unwrap();
    assert_eq!(paragraphs(&part(&letter, "word/document.xml")), ["Dear Anna"]);
    assert_eq!(failure(write(&world, &sales(), &found[0], Vec::new()).await).0, Code::PermissionDenied);
    assert_eq!(list(&world, &neighbour(), "letters").await, Vec::<String>::new());
    assert_eq!(failure(read(&world, &neighbour(), &found[0]).await).0, Code::NotFound);
}

async fn d14_locks_keep_others_from_writing_and_end_by_themselves(world: World) {
    world.try_template(&sales(), "a", docx(&p("x")), &[], "teams/sales").await.unwrap();
    let path = "templates/Template a.docx".to_owned();
    let lock = |caller: Caller| {
        let request = proto::LockFileRequest { path: path.clone(), ..Default::default() };
        let mut client = files(&world);
        async move { client.lock_file(caller.request(request)).await.unwrap().into_inner() }
    };
    let check = |caller: Caller, tokens: Vec<String>| {
        let request = proto::CheckLocksRequest { path: path.clone(), tokens, ..Default::default() };
        let mut client = files(&world);
        async move { client.check_locks(caller.request(request)).await.unwrap().into_inner().conflict }
    };
    let held = lock(sales()).await;
    assert!(!held.conflict);
    let held = held.lock.unwrap();
    assert!(lock(leader()).await.conflict, "two people have it open for writing");
    assert_eq!(check(sales(), vec![held.token.clone()]).await, None);
    assert_eq!(check(sales(), Vec::new()).await.unwrap().token, held.token);
    // A token that another one has read does not open it.
    assert!(check(leader(), vec![held.token.clone()]).await.is_some());
    let unlock = proto::UnlockFileRequest { path: path.clone(), token: held.token.clone() };
    assert_eq!(failure(files(&world).unlock_file(leader().request(unlock)).await).0, Code::NotFound);
    world.place.pass(601_000_000);
    assert_eq!(check(leader(), Vec::new()).await, None);
    let next = lock(leader()).await;
    assert!(!next.conflict);
    let unlock = proto::UnlockFileRequest { path: path.clone(), token: next.lock.unwrap().token };
    files(&world).unlock_file(leader().request(unlock)).await.unwrap();
    assert!(!lock(sales()).await.conflict);
}

async fn d14_what_is_no_document_is_the_users_own(world: World) {
    let make = proto::MakeFolderRequest { path: "templates/drafts".to_owned() };
    files(&world).make_folder(sales().request(make)).await.unwrap();
    write(&world, &sales(), "templates/drafts/a.txt", b"x".to_vec()).await.unwrap();
    assert_eq!(failure(write(&world, &sales(), "a.txt", b"x".to_vec()).await).0, Code::PermissionDenied);
    assert_eq!(failure(write(&world, &sales(), "templates/../a", Vec::new()).await).0, Code::InvalidArgument);
    assert_eq!(failure(write(&world, &sales(), "templates/none/a.txt", Vec::new()).await).0, Code::NotFound);
    let request = proto::MoveFileRequest {
        path: "templates/drafts".to_owned(),
        destination: "templates/old".to_owned(),
    };
    files(&world).move_file(sales().request(request)).await.unwrap();
    assert_eq!(read(&world, &sales(), "templates/old/a.txt").await.unwrap(), b"x");
    assert_eq!(failure(read(&world, &leader(), "templates/old/a.txt").await).0, Code::NotFound);
    let remove = proto::RemoveFileRequest { path: "templates/old".to_owned() };
    assert_eq!(failure(files(&world).remove_file(sales().request(remove)).await).0, Code::PermissionDenied);
}

async fn d14_a_template_that_is_set_aside_is_seen_again_after_a_minute(world: World) {
    world.try_template(&sales(), "a", docx(&p("x")), &[], "teams/sales").await.unwrap();
    let (path, away) = ("templates/Template a.docx".to_owned(), "templates/~WRL0001.tmp".to_owned());
    let move_away = || {
        let request = proto::MoveFileRequest { path: path.clone(), destination: away.clone() };
        let mut client = files(&world);
        async move { client.move_file(sales().request(request)).await }
    };
    let is_locked = async || {
        let request = proto::CheckLocksRequest { path: path.clone(), ..Default::default() };
        let answer = files(&world).check_locks(leader().request(request)).await.unwrap();
        answer.into_inner().conflict.is_some()
    };
    let revision = async || {
        let get = proto::GetTemplateRequest { name: "templates/a".to_owned() };
        let template = world.templates.clone().get_template(leader().request(get)).await.unwrap();
        template.into_inner().revision
    };
    move_away().await.unwrap();
    assert_eq!(failure(move_away().await).0, Code::NotFound);
    assert_eq!(list(&world, &sales(), "templates").await, [away.as_str()]);
    assert_eq!(list(&world, &leader(), "templates").await, [path.as_str()]);
    assert!(is_locked().await);
    // Nothing can take its name meanwhile.
    let make = proto::MakeFolderRequest { path: path.clone() };
    assert_eq!(failure(files(&world).make_folder(sales().request(make)).await).0, Code::AlreadyExists);
    world.place.pass(59_000_000);
    assert_eq!(failure(read(&world, &sales(), &path).await).0, Code::NotFound);
    world.place.pass(1_000_000);
    assert_eq!(read(&world, &sales(), &path).await.unwrap(), docx(&p("x")));
    assert_eq!(list(&world, &sales(), "templates").await, [path.as_str(), away.as_str()]);
    assert!(!is_locked().await);
    // The file beside it is an own one, whose end is not the template's; another may take its place.
    write(&world, &sales(), &away, b"y".to_vec()).await.unwrap();
    move_away().await.unwrap();
    assert_eq!(read(&world, &sales(), &away).await.unwrap(), docx(&p("x")));
    let remove = proto::RemoveFileRequest { path: away.clone() };
    files(&world).remove_file(sales().request(remove)).await.unwrap();
    assert_eq!(revision().await, "templates/a/revisions/1");
    // What is written to its name while it is away is its next revision.
    write(&world, &sales(), &path, docx(&p("y"))).await.unwrap();
    assert_eq!(list(&world, &sales(), "templates").await, [path.as_str()]);
    assert_eq!(revision().await, "templates/a/revisions/2");
}

/// The document is looked at before the transaction that puts it in its place. Who of the two is first is up to the machine, so they race until the move is the one that was overtaken.
async fn d14_a_file_that_changes_while_it_is_moved_over_a_template_is_not_lost(world: World) {
    world.try_template(&sales(), "a", docx(&p("x")), &[], "").await.unwrap();
    let (path, beside) = ("templates/Template a.docx".to_owned(), "templates/save.tmp".to_owned());
    // Long, so that it takes a while to look at.
    let long = |round: usize| docx(&p(&format!("{round} {{{{ partner.name }}}}")).repeat(2_000));
    let mut last = docx(&p("x"));
    for (round, ()) in patience().enumerate() {
        let (moved, changed) = (long(round), format!("changed {round}").into_bytes());
        write(&world, &sales(), &beside, moved.clone()).await.unwrap();
        let request = proto::MoveFileRequest { path: beside.clone(), destination: path.clone() };
        let mut client = files(&world);
        let sales = sales();
        let (outcome, written) = tokio::join!(
            client.move_file(sales.request(request)),
            write(&world, &sales, &beside, changed.clone())
        );
        written.unwrap();
        // Whatever comes of it, what was written last is there.
        assert_eq!(read(&world, &sales, &beside).await.unwrap(), changed);
        let stands = read(&world, &sales, &path).await.unwrap();
        match outcome {
            Ok(_) => assert_eq!(stands, moved),
            Err(cause) => {
                assert_eq!(stands, last);
                if cause.code() == Code::Aborted {
                    return;
                }
                // It was changed before the move began, and is no document.
                assert_eq!(cause.code(), Code::PermissionDenied, "{cause:?}");
            }
        }
        last = stands;
    }
    panic!("no move was overtaken");
}
