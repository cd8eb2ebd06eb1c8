//! The writer: deduplication, concurrency, interruption, refusal.

use std::fs;

use holdfast_vault::{Compression, Cut, Error, ErrorKind, Fanout, Node, NodeKind, SnapshotKind};

use super::*;

#[test]
fn content_comes_back_and_is_stored_once() {
    let fixture = Fixture::new();
    let writer = fixture.shard().writer().unwrap();
    for (seed, length) in [(1, 0), (2, 1), (3, 100_000), (4, 3_000_000)] {
        let bytes = random_bytes(seed, length);
        let first = writer.put(&bytes, Cut::Whole).unwrap();
        let new = writer.stats().blobs_new;
        let second = writer.put(&bytes, Cut::Whole).unwrap();
        assert_eq!(first, second);
        assert_eq!(writer.stats().blobs_new, new);
        assert_eq!(first.size, length as u64);
        assert_eq!(writer.reader().bytes(&file("x", first)).unwrap(), bytes);
    }
    assert_eq!(writer.stats().bytes_in, 2 * 3_100_001);
}

#[test]
fn a_stream_is_stored_as_the_same_content_in_memory() {
    let fixture = Fixture::new();
    let writer = fixture.shard().writer().unwrap();
    for (seed, length) in [(1, 0), (2, 1), (3, 512 << 10), (4, (512 << 10) + 1), (5, 30_000_001)] {
        let mut bytes = random_bytes(seed, length);
        // A long stretch without a boundary: its chunks have the largest size.
        bytes[length / 3..length / 3 * 2].fill(b'x');
        let streamed = writer.put_reader(&mut bytes.as_slice()).unwrap();
        let new = writer.stats().blobs_new;
        assert_eq!(streamed, writer.put(&bytes, Cut::Whole).unwrap());
        assert_eq!(writer.stats().blobs_new, new, "seed {seed}");
        assert!(writer.reader().bytes(&file("x", streamed)).unwrap() == bytes, "seed {seed}");
    }
    assert_eq!(writer.stats().bytes_in, 2 * (1 + (1 << 20) + 1 + 30_000_001));
}

#[test]
fn a_stream_that_fails_is_told_from_a_storage_that_fails() {
    struct Broken;
    impl std::io::Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("gone"))
        }
    }
    let fixture = Fixture::new();
    let writer = fixture.shard().writer().unwrap();
    let bytes = random_bytes(1, 3 << 20);
    let mut content = std::io::Read::chain(bytes.as_slice(), Broken);
    let err = writer.put_reader(&mut content).unwrap_err();
    assert!(matches!(err, Error::Input(_)), "{err}");
    assert_eq!(writer.put(b"more", Cut::Whole).unwrap().size, 4);
}

#[test]
fn content_is_compressed_as_wanted_and_noise_never() {
    let text = "The same words again and again. ".repeat(4_000).into_bytes();
    let noise = random_bytes(1, 100_000);
    let small_noise = random_bytes(2, 1_000);
    let mut stored = Vec::new();
    for compression in [Compression::Off, Compression::Level(1), Compression::Level(19)] {
        let fixture = Fixture::new();
        let shard = fixture.shard();
        let writer = shard.writer_with(compression).unwrap();
        let mut edit = writer.edit(None, Fanout::FLAT);
        for (name, bytes) in [("text", &text), ("noise", &noise), ("small", &small_noise)] {
            edit.put(&[], file(name, writer.put(bytes, Cut::Whole).unwrap())).unwrap();
        }
        let tree = edit.save().unwrap();
        writer.snapshot(tree, &tags(1), time(0), "h", &[]).unwrap();
        stored.push(writer.stats().bytes_stored);
        drop(writer);
        let reader = shard.reader().unwrap();
        for (name, bytes) in [("text", &text), ("noise", &noise), ("small", &small_noise)] {
            let node = reader.node(tree, &[name]).unwrap().unwrap();
            assert!(reader.bytes(&node).unwrap() == *bytes, "{name}");
        }
        assert_eq!(shard.check(true).unwrap().errors.len(), 0);
        if restic::is_installed() {
            restic::assert_clean(&fixture);
        }
    }
    // Noise needs its length and 32 bytes of encryption; trees are some hundred bytes.
    let plain = (text.len() + noise.len() + small_noise.len() + 3 * 32) as u64;
    assert!((plain..plain + 1_000).contains(&stored[0]), "{stored:?}");
    let raw = (noise.len() + small_noise.len() + 2 * 32) as u64;
    assert!((raw..raw + 2_000).contains(&stored[1]), "{stored:?}");
    assert!((raw..raw + 2_000).contains(&stored[2]), "{stored:?}");
    let wrong = Fixture::new().shard().writer_with(Compression::Level(20));
    assert_eq!(wrong.err().unwrap().kind(), ErrorKind::Invalid);
}

#[test]
fn an_attachment_of_two_messages_is_one_blob() {
    let fixture = Fixture::new();
    let writer = fixture.shard().writer().unwrap();
    let body = hex::encode(random_bytes(5, 50_000));
    let message = |subject: &str, boundary: &str| {
        format!(
            "Subject: {subject}\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed;\r\n \
             boundary=\"{boundary}\"\r\n\r\n--{boundary}\r\nContent-Type: text/plain\r\n\r\nhello \
             {subject}\r\n--{boundary}\r\nContent-Type: application/pdf\r\n\
             Content-Transfer-Encoding: base64\r\n\r\n{body}\r\n\r\n--{boundary}--\r\n"
        )
    };
    let (one, two) = (message("one", "b1"), message("two, longer", "----b2"));
    let first = writer.put(one.as_bytes(), Cut::Mime).unwrap();
    let second = writer.put(two.as_bytes(), Cut::Mime).unwrap();
    assert_eq!((first.blobs.len(), second.blobs.len()), (3, 3));
    assert_eq!(first.blobs[1], second.blobs[1]);
    assert_eq!(writer.stats().blobs_new, 5);
    assert_eq!(writer.reader().bytes(&file("m", second)).unwrap(), two.as_bytes());
}

#[test]
fn many_threads_store_each_blob_once_and_checkpoints_hold_what_they_name() {
    let fixture = Fixture::new();
    let shard = fixture.shard();
    let writer = shard.writer().unwrap();
    let contents: Vec<Vec<u8>> = (0..200).map(|n| random_bytes(n % 50, 60_000)).collect();
    std::thread::scope(|scope| {
        let writer = &writer;
        for part in contents.chunks(40) {
            scope.spawn(move || {
                for bytes in part {
                    writer.put(bytes, Cut::Whole).unwrap();
                }
            });
        }
        for seq in 1..=3 {
            let mut edit = writer.edit(None, Fanout::FLAT);
            let content = writer.put(&contents[seq * 9], Cut::Whole).unwrap();
            edit.put(&[], file("f", content)).unwrap();
            let tree = edit.save().unwrap();
            let tags = Tags { kind: SnapshotKind::Checkpoint, ..tags(seq as u64) };
            writer.snapshot(tree, &tags, time(1), "h", &[]).unwrap();
            let reader = shard.reader().unwrap();
            let node = reader.node(tree, &["f"]).unwrap().unwrap();
            assert_eq!(reader.bytes(&node).unwrap(), contents[seq * 9]);
        }
    });
    let stats = writer.stats();
    assert_eq!(stats.blobs_new, 50);
    assert_eq!(stats.blobs_new + stats.blobs_reused, 203);
    let seqs: Vec<_> = shard.snapshots().unwrap().iter().map(|s| s.tags.clone()).collect();
    assert_eq!(seqs.len(), 3);
    assert!(seqs.iter().all(|t| t.kind == SnapshotKind::Checkpoint));
}

#[test]
fn snapshots_come_in_order_of_seq_and_fence() {
    let fixture = Fixture::new();
    let shard = fixture.shard();
    let writer = shard.writer().unwrap();
    let tree = writer.edit(None, Fanout::FLAT).save().unwrap();
    for (seq, fence) in [(2, 1), (1, 9), (2, 3), (10, 1)] {
        let tags = Tags { fence: Fence(fence), ..tags(seq) };
        writer.snapshot(tree, &tags, time(0), "h", &[]).unwrap();
    }
    let order: Vec<_> =
        shard.snapshots().unwrap().iter().map(|s| (s.tags.seq.0, s.tags.fence.0)).collect();
    assert_eq!(order, [(1, 9), (2, 1), (2, 3), (10, 1)]);
}

#[test]
fn an_interrupted_run_leaves_only_packs_that_disturb_nobody() {
    let fixture = Fixture::new();
    let shard = fixture.shard();
    let location = fixture.shard_path();
    {
        let writer = shard.writer().unwrap();
        // Two packs are full and written; no index, no snapshot follows.
        for seed in 0..5 {
            writer.put(&random_bytes(seed, 8 << 20), Cut::Whole).unwrap();
        }
        while writer.stats().packs < 2 {
            std::thread::yield_now();
        }
        fs::write(location.join("tmp/left-behind"), "half a pack").unwrap();
    }
    let report = shard.check(true).unwrap();
    assert_eq!((report.errors.len(), report.packs, report.orphan_packs), (0, 0, 2));

    let writer = shard.writer().unwrap();
    assert!(!location.join("tmp/left-behind").exists());
    let bytes = random_bytes(0, 8 << 20);
    let content = writer.put(&bytes, Cut::Whole).unwrap();
    assert_eq!(writer.stats().blobs_reused, 0, "packs without index are not known");
    let mut edit = writer.edit(None, Fanout::FLAT);
    edit.put(&[], file("f", content)).unwrap();
    let tree = edit.save().unwrap();
    writer.snapshot(tree, &tags(1), time(0), "h", &[]).unwrap();
    drop(writer);
    let report = shard.check(true).unwrap();
    assert_eq!((report.errors.len(), report.orphan_packs), (0, 2));
    let reader = shard.reader().unwrap();
    let node = reader.node(tree, &["f"]).unwrap().unwrap();
    assert!(reader.bytes(&node).unwrap() == bytes);
}

#[test]
fn a_dead_writers_lock_goes_at_the_next_start() {
    let fixture = Fixture::new();
    let locks = fixture.shard_path().join("locks");
    let count = || fs::read_dir(&locks).unwrap().count();
    let writer = fixture.shard().writer().unwrap();
    assert_eq!(count(), 1);
    std::mem::forget(writer);
    // Its file in tmp is still locked by this process, as by a living writer: nothing is swept.
    let second = fixture.shard().writer().unwrap();
    assert_eq!(count(), 2);
    drop(second);
    assert_eq!(count(), 1);
    fs::remove_file(fixture.shard_path().join("tmp/writer.lock")).unwrap();
    let third = fixture.shard().writer().unwrap();
    assert_eq!(count(), 1);
    drop(third);
    assert_eq!(count(), 0);
}

#[test]
fn a_writer_whose_storage_failed_takes_no_snapshot() {
    let fixture = Fixture::new();
    let location = fixture.shard_path();
    let writer = fixture.shard().writer().unwrap();
    let tree = writer.edit(None, Fanout::FLAT).save().unwrap();
    writer.snapshot(tree, &tags(1), time(0), "h", &[]).unwrap();
    // A file in the place of the folder for temporary files makes every write fail, also for
    // root, whom permissions would not stop.
    fs::rename(location.join("tmp"), location.join("tmp.away")).unwrap();
    fs::write(location.join("tmp"), "").unwrap();
    let mut edit = writer.edit(Some(tree), Fanout::FLAT);
    edit.put(&[], file("f", writer.put(b"content", Cut::Whole).unwrap())).unwrap();
    let changed = edit.save().unwrap();
    let err = writer.snapshot(changed, &tags(2), time(0), "h", &[]).unwrap_err();
    assert_eq!(err.kind(), ErrorKind::Io, "{err}");
    fs::remove_file(location.join("tmp")).unwrap();
    fs::rename(location.join("tmp.away"), location.join("tmp")).unwrap();
    let err = writer.snapshot(changed, &tags(2), time(0), "h", &[]).unwrap_err();
    assert!(matches!(err, Error::WriterFailed { .. }), "{err}");
    let err = writer.put(b"later", Cut::Whole).unwrap_err();
    assert!(matches!(err, Error::WriterFailed { .. }), "{err}");
    assert!(std::error::Error::source(&err).unwrap().to_string().contains("tmp"), "{err:?}");
    drop(writer);
    assert_eq!(fixture.shard().snapshots().unwrap().len(), 1);
    assert_eq!(fixture.shard().check(true).unwrap().errors, Vec::<String>::new());
}

#[test]
fn hostile_names_and_too_much_metadata_are_refused() {
    let fixture = Fixture::new();
    let writer = fixture.shard().writer().unwrap();
    let mut edit = writer.edit(None, Fanout::FLAT);
    let long = "x".repeat(256);
    for name in ["", ".", "..", "a/b", "a\0b", long.as_str()] {
        let put = edit.put(&["d"], Node::dir(name, time(0)));
        assert!(matches!(put, Err(Error::InvalidName { .. })), "{name:?}");
        let put = edit.put(&[name], Node::dir("d", time(0)));
        assert!(matches!(put, Err(Error::InvalidName { .. })), "{name:?}");
    }
    edit.put(&[], Node::dir("d", time(0)).with_meta("m".repeat(2048))).unwrap();
    let err = edit.put(&["d"], Node::dir("e", time(0)).with_meta("m".repeat(2049))).unwrap_err();
    assert_eq!(err.kind(), ErrorKind::Invalid);
    assert!(!err.to_string().contains("e\""), "{err}");
    let Error::MetaTooLarge { path, bytes } = err else { panic!("{err}") };
    assert_eq!((path.join("/").as_str(), bytes), ("d/e", 2049));
    let tree = edit.save().unwrap();
    let bad = Tags { run: "a,b".into(), ..tags(1) };
    let err = writer.snapshot(tree, &bad, time(0), "h", &[]).unwrap_err();
    assert_eq!(err.kind(), ErrorKind::Invalid);
    let unknown = "00".repeat(32).parse().unwrap();
    let err = writer.snapshot(unknown, &tags(1), time(0), "h", &[]).unwrap_err();
    assert_eq!(err.kind(), ErrorKind::Invalid);
}

#[test]
fn a_file_in_the_way_of_a_directory_is_an_error() {
    let fixture = Fixture::new();
    let writer = fixture.shard().writer().unwrap();
    let mut edit = writer.edit(None, Fanout::FLAT);
    edit.put(&[], file("f", writer.put(b"1", Cut::Whole).unwrap())).unwrap();
    let err = edit.put(&["f"], Node::dir("d", time(0))).unwrap_err();
    assert_eq!(err.kind(), ErrorKind::Invalid);
    assert!(matches!(edit.get(&["f"]).unwrap().unwrap().kind, NodeKind::File { .. }));
    assert_eq!(edit.get(&["f", "d"]).unwrap(), None);
}
