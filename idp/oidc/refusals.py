"""What an endpoint of machines did not answer itself: one way out for every refusal, and for what nobody foresaw."""

from authlib.oauth2.rfc6749.errors import InvalidRequestError, OAuth2Error

from idp.errors import MagError
from idp.logs import logger
from idp.oidc.wire import NO_STORE, Answer, error_answer, json_answer


def refusal(error: Exception, request_id: str, path: object) -> Answer:
    """What was raised, as an answer and a line of the log."""
    where = {"request_id": request_id, "path": path}
    if isinstance(error, OAuth2Error):
        return error_answer(error)
    if isinstance(error, MagError):
        logger.error("refused", extra={"fields": {"code": error.code, "reason": str(error), **where}})
        return unavailable(error) if error.status >= 500 else error_answer(InvalidRequestError("this request is not valid"))
    logger.error("unexpected error", exc_info=error, extra={"fields": where})
    return json_answer({"error": "server_error", "error_description": f"incident {request_id}"}, 500)


def unavailable(error: MagError) -> Answer:
    headers = (*NO_STORE, ("Retry-After", str(error.retry_after or 5)))
    return json_answer({"error": "temporarily_unavailable", "error_description": "try again in a few seconds"}, 503, headers)
