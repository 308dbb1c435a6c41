package wire

// Recount does what is done from time to time.
func (e *Events) Recount() { e.recount() }
