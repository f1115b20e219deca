//! A destructive write within a tenant: who may, who is asked, and what is kept on record.
