"""What happens while a run goes on: measuring, drawing, showing. Nothing here changes what is learned."""
