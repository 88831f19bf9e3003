//! Writing that fails beside upscaling that begins anew.

use super::super::inputs::Input;
use super::*;

fn job() -> Job {
    let input = Input::named("in.png".into());
    let output = Some("out.png".into());
    Job::new(input, output, Vec::new(), OutputFormat::Png)
}

fn strip(y: usize) -> Strip {
    Strip {
        y,
        rows: 1,
        rgb: vec![0u8; 3].into(),
        alpha: None,
    }
}

/// A result of three rows that is begun: two are pushed, so one comes.
fn begun<'a, 's>(
    job: &'a Job,
    to_save: &'s SyncSender<Rows<'a>>,
    saved: &Receiver<Rows<'a>>,
) -> (Results<'a, 's>, Rows<'a>) {
    let head = Picture::new(1, 1, vec![0; 3]).without_pixels([1, 3]);
    let mut results = Results::new(job, 0, head, to_save);
    assert!(results.push(strip(0)).is_continue());
    assert!(results.push(strip(1)).is_continue());
    (results, saved.recv().unwrap())
}

#[test]
fn what_could_not_be_written_is_not_begun_anew() {
    let job = job();
    let (to_save, saved) = sync_channel(1);
    let (mut results, rows) = begun(&job, &to_save, &saved);
    assert!(rows.fail());
    // The thread that writes has not let go of it yet.
    assert!(results.push(strip(0)).is_break());
    assert!(results.is_refused());
}

#[test]
fn what_another_run_has_written_is_not_begun_anew() {
    let job = job();
    let (to_save, saved) = sync_channel(1);
    let (mut results, rows) = begun(&job, &to_save, &saved);
    assert!(!results.is_there());
    assert!(rows.leave());
    assert!(results.is_there());
    assert!(results.push(strip(0)).is_break());
    assert!(results.is_refused() && results.is_there());
}

#[test]
fn what_fails_after_a_new_beginning_is_no_failure() {
    let job = job();
    let (to_save, saved) = sync_channel(1);
    let (mut results, rows) = begun(&job, &to_save, &saved);
    assert!(results.push(strip(0)).is_continue());
    assert!(!results.is_refused());
    assert!(!rows.fail());
}

#[test]
fn what_fails_after_upscaling_did_is_no_failure_of_its_own() {
    let job = job();
    let (to_save, saved) = sync_channel(1);
    let (results, rows) = begun(&job, &to_save, &saved);
    drop(results);
    assert!(!rows.fail());
}
