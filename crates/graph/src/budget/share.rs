//! The share of the budget that is used, against a model of the service in virtual time.
