//! The domain of Quenty: companies, customers, catalogue, stock, orders and shipments; pure.
