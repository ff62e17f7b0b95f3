-- +goose Up
-- Seats that are claimed, and what was typed of who is asked: docs/contract/trust.md, decisions 68 and 78.

ALTER TABLE cart_item ADD COLUMN nb_periods INTEGER; -- natural periods that a group buy paid for, while they wait for who claims them
