package rest

// csvBatch is how many rows of a CSV answer are in memory at once.
const csvBatch = 5000
