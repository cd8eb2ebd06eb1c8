//! Microsoft Graph over HTTP: tokens, throttle budget, retry, pages, delta, batch, uploads
