//! `reading_time`, called as a client calls it.

use own_pack::reading_time::ReadingTime;
use serde_json::json;
use toolpack::{Server, testing::Client};

#[tokio::test]
async fn a_text_takes_as_long_as_its_words() {
    let client = Client::new(Server::new("test", "1").tool::<ReadingTime>()).await;
    let reply = client.call("reading_time", json!({"words": 1200})).await;
    assert_eq!(reply.structured(), &json!({"minutes": 6}));

    let misspelt = client.call("reading_time", json!({"word": 1200})).await;
    assert_eq!(
        misspelt.text(),
        "Invalid arguments. /word: is not known; did you mean `words`? [invalid_arguments]"
    );
}
