//! Archives as people make them, and as nobody should.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{Builder, EntryType, Header};

use crate::bext::node::source::export::Export;
use crate::bext::node::source::scratch::Scratch;
use crate::bext::node::source::task::Stop;
use crate::bext::node::source::{Artifact, Artifacts, Source, SourceLimits};
use crate::error::Error;

type Tar = Builder<Vec<u8>>;

fn add(tar: &mut Tar, path: &str, kind: EntryType, target: &str, content: &[u8]) {
    let mut header = Header::new_ustar();
    // As bytes: the library refuses to write what it would refuse to read.
    let place = &mut header.as_ustar_mut().unwrap().name;
    place[..path.len()].copy_from_slice(path.as_bytes());
    header.as_ustar_mut().unwrap().linkname[..target.len()].copy_from_slice(target.as_bytes());
    header.set_entry_type(kind);
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    header.set_cksum();
    tar.append(&header, content).unwrap();
}

fn file(tar: &mut Tar, path: &str, content: &str) {
    add(tar, path, EntryType::Regular, "", content.as_bytes());
}

fn packed(tar: Tar) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::default());
    packer.write_all(&tar.into_inner().unwrap()).unwrap();
    packer.finish().unwrap()
}

struct Place {
    root: Scratch,
    artifacts: Artifacts,
}

impl Place {
    async fn new() -> Self {
        let root = Scratch::new();
        let artifacts = Artifacts::open(root.path().join("artifacts")).await.unwrap();
        Self { root, artifacts }
    }

    async fn make(&self, bytes: Vec<u8>, limits: SourceLimits) -> Result<Artifact, Error> {
        let path: PathBuf = self.root.path().join("app.tar.gz");
        fs::write(&path, bytes).unwrap();
        let address = path.to_str().unwrap().parse().unwrap();
        let source = Source::open_with(&address, Path::new("/nowhere"), limits).await?;
        self.artifacts.make(&source, &source.resolve(None).await?).await
    }

    async fn refused(&self, tar: Tar, said: &str) {
        self.refused_bytes(packed(tar), said).await;
    }

    async fn refused_bytes(&self, bytes: Vec<u8>, said: &str) {
        let limits = SourceLimits { bytes: 20 << 20, ratio_free_bytes: 1 << 20, ..SourceLimits::default() };
        let error = self.make(bytes, limits).await.unwrap_err();
        assert_eq!(error.code(), "source_invalid", "{error:?}");
        assert!(error.message().contains(said), "{said}: {error}");
        assert_eq!(fs::read_dir(self.root.path().join("artifacts")).unwrap().count(), 0);
        assert!(!self.root.path().join("evil").exists());
    }
}

async fn made(fill: impl FnOnce(&mut Tar)) -> (Place, Artifact) {
    let place = Place::new().await;
    let mut tar = Tar::new(Vec::new());
    fill(&mut tar);
    let artifact = place.make(packed(tar), SourceLimits::default()).await.unwrap();
    (place, artifact)
}

fn read(artifact: &Artifact, name: &str) -> String {
    fs::read_to_string(artifact.directory.join(name)).unwrap()
}

#[tokio::test]
async fn an_archive_becomes_an_artifact() {
    let (_place, artifact) = made(|tar| {
        add(tar, "./", EntryType::Directory, "", b"");
        file(tar, "./bext.app.toml", "version = \"3\"");
        add(tar, "./public/", EntryType::Directory, "", b"");
        file(tar, "./public/index.html", "hello");
        // Before what they lead to, as a packer may write them.
        add(tar, "public/link", EntryType::Symlink, "./other", b"");
        add(tar, "public/hard", EntryType::Link, "./public/index.html", b"");
        file(tar, "public/other", "other");
        file(tar, ".git/config", "of git");
    })
    .await;
    assert_eq!(read(&artifact, "public/index.html"), "hello");
    assert_eq!(read(&artifact, "public/link"), "other");
    assert_eq!(read(&artifact, "public/hard"), "hello");
    assert_eq!(artifact.manifest.version.as_ref().unwrap().as_str(), "3");
    assert!(!artifact.directory.join(".git").exists());
}

#[tokio::test]
async fn one_directory_around_all_of_it_does_not_count() {
    let (_place, artifact) = made(|tar| {
        file(tar, "shop-1.2/bext.app.toml", "[static]\ndir = \"web\"");
        file(tar, "shop-1.2/web/index.html", "hello");
        add(tar, "shop-1.2/web/b", EntryType::Symlink, "../web/index.html", b"");
    })
    .await;
    assert_eq!(read(&artifact, "web/b"), "hello");
    assert_eq!(artifact.manifest.static_dir.as_deref(), Some("web"));

    // Both are the same content, and the same artifact.
    let (_other, bare) = made(|tar| {
        file(tar, "bext.app.toml", "[static]\ndir = \"web\"");
        file(tar, "web/index.html", "hello");
        file(tar, "web/b", "hello");
    })
    .await;
    assert_eq!(bare.id, artifact.id);

    let (_place, two) = made(|tar| {
        file(tar, "a/x", "");
        file(tar, "b/x", "");
    })
    .await;
    assert!(two.directory.join("a/x").exists());
}

#[tokio::test]
async fn names_that_differ_in_case_are_two() {
    let (_place, artifact) = made(|tar| {
        file(tar, "Readme", "1");
        file(tar, "README", "2");
    })
    .await;
    // Where the file system knows one name only, making it is refused instead.
    assert_eq!((read(&artifact, "Readme"), read(&artifact, "README")), ("1".to_owned(), "2".to_owned()));
}

#[tokio::test]
async fn long_names_are_read() {
    let name = format!("{}/{}", "d".repeat(120), "f".repeat(130));
    let (_place, artifact) = made(|tar| {
        file(tar, "a", "");
        let mut header = Header::new_gnu();
        header.set_size(4);
        header.set_mode(0o755);
        tar.append_data(&mut header, &name, &b"long"[..]).unwrap();
        tar.append_pax_extensions([("path", "pax/name".as_bytes()), ("comment", b"none")]).unwrap();
        file(tar, "short", "pax");
    })
    .await;
    assert_eq!(read(&artifact, &name), "long");
    assert_eq!(read(&artifact, "pax/name"), "pax");
}

#[tokio::test]
async fn an_archive_leads_nowhere_else() {
    let place = Place::new().await;
    for path in ["../evil", "/evil", "a/../../evil", "./../evil", "a/.."] {
        let mut tar = Tar::new(Vec::new());
        file(&mut tar, path, "evil");
        place.refused(tar, "which leads out of it").await;
        let mut tar = Tar::new(Vec::new());
        tar.append_pax_extensions([("path", path.as_bytes())]).unwrap();
        file(&mut tar, "good", "evil");
        place.refused(tar, "which leads out of it").await;
    }
    for target in ["/etc/passwd", "../evil", "a/../../../evil", ""] {
        let mut tar = Tar::new(Vec::new());
        file(&mut tar, "a/b", "");
        add(&mut tar, "a/link", EntryType::Symlink, target, b"");
        // `a/../evil` stays within, where it is missing.
        let said = if target == "../evil" { "no file of the source" } else { "leads out of the source" };
        place.refused(tar, said).await;
    }
    for target in ["/etc/passwd", "../evil"] {
        let mut tar = Tar::new(Vec::new());
        add(&mut tar, "a/link", EntryType::Link, target, b"");
        place.refused(tar, "leads out of the archive").await;
    }
    // What is written through a link that comes first.
    let mut tar = Tar::new(Vec::new());
    add(&mut tar, "dir", EntryType::Symlink, "..", b"");
    file(&mut tar, "dir/evil", "evil");
    place.refused(tar, "leads out of the source").await;
    let mut tar = Tar::new(Vec::new());
    add(&mut tar, "dir", EntryType::Symlink, "other", b"");
    file(&mut tar, "dir/evil", "evil");
    place.refused(tar, "as a file and as a directory").await;
}

#[tokio::test]
async fn only_files_come_out_of_an_archive() {
    let place = Place::new().await;
    for kind in
        [EntryType::Char, EntryType::Block, EntryType::Fifo, EntryType::GNUSparse, EntryType::new(b'Z')]
    {
        let mut tar = Tar::new(Vec::new());
        add(&mut tar, "special", kind, "", b"");
        place.refused(tar, "special of the archive is neither").await;
    }
    let mut tar = Tar::new(Vec::new());
    file(&mut tar, "a", "1");
    file(&mut tar, "./a", "2");
    place.refused(tar, "has a twice").await;
    let mut tar = Tar::new(Vec::new());
    file(&mut tar, "a/b", "1");
    file(&mut tar, "a", "2");
    place.refused(tar, "has a twice").await;
    let mut tar = Tar::new(Vec::new());
    tar.append_pax_extensions([("GNU.sparse.major", &b"1"[..])]).unwrap();
    file(&mut tar, "a", "2");
    place.refused(tar, "sparse").await;
}

#[tokio::test]
async fn an_archive_that_becomes_huge_is_not_unpacked() {
    let place = Place::new().await;
    let mut tar = Tar::new(Vec::new());
    let mut header = Header::new_ustar();
    header.set_path("zeros").unwrap();
    header.set_mode(0o644);
    header.set_size(15 << 20);
    header.set_cksum();
    tar.append(&header, std::io::repeat(0).take(15 << 20)).unwrap();
    place.refused(tar, "becomes far larger than it is").await;

    // A name that is as long as a film, and a size that is a lie.
    let mut tar = Tar::new(Vec::new());
    add(&mut tar, "long", EntryType::GNULongName, "", &vec![b'a'; 1 << 20]);
    file(&mut tar, "a", "");
    place.refused(tar, "a name longer than any file has").await;
    let mut tar = Tar::new(Vec::new());
    add(&mut tar, "long", EntryType::XHeader, "", &vec![b'a'; 1 << 20]);
    file(&mut tar, "a", "");
    place.refused(tar, "a name longer than any file has").await;
    let mut tar = Tar::new(Vec::new());
    file(&mut tar, &"n".repeat(100), "");
    tar.append_pax_extensions([("path", "d/".repeat(600).as_bytes())]).unwrap();
    file(&mut tar, "a", "");
    place.refused(tar, "longer than 1024 bytes").await;
    let mut header = Header::new_ustar();
    header.set_path("liar").unwrap();
    header.set_mode(0o644);
    header.set_size(30 << 20);
    header.set_cksum();
    let mut tar = Tar::new(Vec::new());
    tar.append(&header, &b""[..]).unwrap();
    place.refused(tar, "more than").await;
}

#[tokio::test]
async fn an_archive_that_is_damaged_is_refused() {
    let place = Place::new().await;
    place.refused_bytes(b"no archive at all".to_vec(), "is damaged").await;
    place.refused_bytes(Vec::new(), "").await;
    let mut tar = Tar::new(Vec::new());
    // Nothing that packs: so that a cut is a cut in it.
    let mut noise = vec![0; 50_000];
    blake3::Hasher::new().finalize_xof().fill(&mut noise);
    add(&mut tar, "noise", EntryType::Regular, "", &noise);
    let whole = packed(tar);
    for cut in [1, 10, whole.len() / 2, whole.len() - 9, whole.len() - 1] {
        let error = place.make(whole[..cut].to_vec(), SourceLimits::default()).await.unwrap_err();
        assert!(error.message().contains("is damaged"), "{cut}: {error:?}");
    }
    // A checksum that is wrong.
    let mut wrong = whole.clone();
    let at = wrong.len() - 6;
    wrong[at] ^= 1;
    place.refused_bytes(wrong, "is damaged").await;
    place.make(whole, SourceLimits::default()).await.unwrap();
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(200))]

    /// Whatever is changed in it: it is read, or refused with a reason, and nothing panics.
    #[test]
    fn a_changed_archive_is_read_or_refused(
        changes in proptest::collection::vec((0_usize..12_000, proptest::arbitrary::any::<u8>()), 1..20),
    ) {
        let mut tar = Tar::new(Vec::new());
        file(&mut tar, "app/bext.app.toml", "version = \"1\"");
        add(&mut tar, "app/link", EntryType::Symlink, "a", b"");
        add(&mut tar, "app/hard", EntryType::Link, "app/a", b"");
        tar.append_pax_extensions([("path", &b"app/a"[..]), ("size", b"4")]).unwrap();
        file(&mut tar, "x", "text");
        add(&mut tar, "long", EntryType::GNULongName, "", b"app/b\0");
        file(&mut tar, "x", "text");
        let mut bytes = tar.into_inner().unwrap();
        for (at, byte) in changes {
            let at = at % bytes.len();
            bytes[at] = byte;
            // Half of the changes are in headers that are right but for this.
            if byte % 2 == 0 {
                let block = at / 512 * 512;
                let mut header = Header::new_old();
                header.as_mut_bytes().copy_from_slice(&bytes[block..block + 512]);
                header.set_cksum();
                bytes[block..block + 512].copy_from_slice(header.as_bytes());
            }
        }
        let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
        packer.write_all(&bytes).unwrap();
        let root = Scratch::new();
        let path = root.path().join("app.tgz");
        fs::write(&path, packer.finish().unwrap()).unwrap();
        let place = root.path().join("a/b/c");
        fs::create_dir_all(&place).unwrap();
        let (limits, stop) = (SourceLimits::default(), Stop::default());
        let mut export = Export::new(Some(place), &limits, &stop);
        let result = super::export(&path, &mut export).and_then(|()| export.finish(true));
        if let Err(error) = result {
            let code = error.code();
            proptest::prop_assert!(matches!(code, "source_invalid" | "manifest_invalid"), "{:?}", error);
        }
        for above in ["", "a", "a/b"] {
            let names = fs::read_dir(root.path().join(above)).unwrap().count();
            proptest::prop_assert_eq!(names, if above.is_empty() { 2 } else { 1 });
        }
    }
}
