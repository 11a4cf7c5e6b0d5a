//! A saga: several bookings that must all succeed, or be taken back.
//!
//!     cargo run -p latchwork-examples --bin saga
//!     curl localhost:9070/deployments --json '{"uri": "http://localhost:9080"}'
//!     curl localhost:8080/Travel/book --json '{"trip": "t1", "hotel": "full"}'
//!
//! Whatever happens to the process, the compensations run: they are steps like the others. A
//! cancellation is a failure like the others, too.

use latchwork::{Context, Endpoint, Error, Failure, Result};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
struct Trip {
    trip: String,
    hotel: String,
}

/// Why a booking is not possible. It travels with the failure, see `Failure::downcast`.
#[derive(Debug, Serialize, Deserialize, thiserror::Error)]
enum Refused {
    #[error("{hotel} has no rooms")]
    NoRooms { hotel: String },
}

struct Travel;

#[latchwork::service]
impl Travel {
    /// Books flight, car and hotel; or nothing.
    #[handler]
    async fn book(&self, ctx: &Context, trip: Trip) -> Result<Vec<String>> {
        let mut booked = Vec::new();
        let result = book_all(ctx, &trip, &mut booked).await;
        let Err(failure) = result else {
            return Ok(booked);
        };
        // In reverse: the last is taken back first.
        for booking in booked.iter().rev() {
            ctx.run(format!("cancel {booking}"), || async {
                println!("{} cancelled", booking);
                Ok(())
            })
            .await?;
        }
        Err(failure.into())
    }
}

async fn book_all(ctx: &Context, trip: &Trip, booked: &mut Vec<String>) -> Result<(), Failure> {
    for what in ["flight", "car", "hotel"] {
        let booking = ctx
            .run(format!("book {what}"), || reserve(what, trip))
            .await?;
        booked.push(booking);
    }
    Ok(())
}

/// Stands for the API of a booking system.
async fn reserve(what: &str, trip: &Trip) -> Result<String, Error> {
    if what == "hotel" && trip.hotel == "full" {
        let hotel = trip.hotel.clone();
        return Err(Failure::typed(409, &Refused::NoRooms { hotel }).into());
    }
    println!("{what} of {} booked", trip.trip);
    Ok(format!("{what} {}", trip.trip))
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1);
    let address = address.as_deref().unwrap_or("127.0.0.1:9080");
    Endpoint::builder()
        .bind(Travel)
        .build()
        .serve(address)
        .await
}
