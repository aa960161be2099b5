"""Whose number is texted: the guest's own, never that of somebody else on the form; and it stays the guest's."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from support.builders import NOW, a_booking, an_event, an_invitee
from support.worker_on_fakes import WorkerOnFakes
from syncer.calendly import EventType
from syncer.cli import check_accounts
from syncer.errors import NotThere
from syncer.guest_number import Found, guest_number, may_hold_number, needs_questions
from syncer.model import Answer, Location, State
from syncer.phones import NoRecipient
from syncer.questions import Likeness, asks_for_phone, is_about_somebody_else, likeness
from syncer.reasons import Reason
from syncer.rules import Policy

if TYPE_CHECKING:
    from collections.abc import Callable

    from syncer.config import Settings
    from syncer.store import Store

DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
THEIRS, OWN, THIRD = "+13125550188", "+13125550142", "+13125550143"
TYPE = "https://api.calendly.com/event_types/t1"

SOMEBODY_ELSE = (
    "Emergency contact phone|ICE phone|Next of kin phone|Parent's phone|Parent / guardian mobile|Mother's cell"
    "|Phone of your father|Spouse phone|Partner's phone number|Your husband's mobile|Assistant phone|Secretary's phone"
    "|Phone (office)|Company phone|Fax|Fax or phone|Friend's phone|Referral phone|Phone of the person who referred you"
    "|Doctor's phone|Alternate contact phone|Whom should we call? Phone|Phone of someone else"
    "|Notfallkontakt (Telefon)|Notfallnummer|Telefon der Mutter|Handy des Vaters|Telefon Ihres Ehepartners"
    "|Telefonnummer der Eltern|Büro-Telefon|Firmentelefon|Telefon Sekretariat|Telefax|Telefonnummer eines Freundes"
    "|Telefon einer Angehörigen|Handynummer der Assistenz"
    "|Teléfono de emergencia|Teléfono de la madre|Móvil del padre|Teléfono de tu pareja|Teléfono de la empresa"
    "|Teléfono de un amigo|Teléfono de un familiar|Celular del cónyuge|Teléfono de la secretaria"
    "|Téléphone en cas d'urgence|Téléphone du père|Portable de la mère|Téléphone du conjoint|Téléphone du bureau"
    "|Télécopie|Téléphone d'un ami|Téléphone de l'assistante|Téléphone d'un proche|Téléphone de l'entreprise"
    "|Telefone de emergência|Celular da mãe|Telefone do pai|Telefone do responsável|Telefone do cônjuge"
    "|Telefone da empresa|Celular de um amigo|Telefone da secretária"
    "|緊急聯絡人電話|家長手機|父親電話|母親手機|配偶電話|公司電話|助理電話|朋友電話|傳真|監護人電話"
    "|紧急联系人电话|家长手机|父亲电话|母亲手机|配偶电话|公司电话|助理电话|朋友电话|传真|监护人电话"
    "|緊急連絡先電話番号|保護者の電話番号|お母様の携帯|父の電話|配偶者の電話|会社の電話番号|秘書の電話|友人の電話|ファックス"
    "|Telefono di emergenza|Cellulare della madre|Telefono dell'ufficio|Telefoon van een ouder|Noodnummer telefoon"
    "|Telefon rodzica|Telefon do opiekuna|Телефон родителя|Телефон для экстренной связи|Мобильный мамы"
    "|비상 연락처 전화|보호자 전화번호|회사 전화|เบอร์โทรฉุกเฉิน|เบอร์โทรผู้ปกครอง|Số điện thoại khẩn cấp"
    "|Số điện thoại phụ huynh"
    "|رقم هاتف الطوارئ|هاتف ولي الأمر|טלפון חירום|טלפון של ההורה"
).split("|")
GUESTS_OWN = (
    "Your mobile|Your mobile number|Mobile number|Mobile|Phone|Phone number|Cell|Contact number (mobile)"
    "|What is your phone number?|Mobile number for texts|WhatsApp|Ihre Handynummer|Handynummer|Mobilnummer"
    "|Telefonnummer für Rückfragen|Tu móvil|Teléfono móvil|¿Cuál es tu teléfono?|Teléfono con código de país|Celular"
    "|Votre portable|Numéro de portable|Seu celular|Telemóvel|Celular com DDD|您的手機|手機號碼|手机号码|您的电话"
    "|携帯電話番号"
    "|お電話番号|Il tuo cellulare|Uw mobiele telefoon|Telefoonnummer van de deelnemer|Twój telefon|Ваш телефон"
    "|휴대폰 번호"
    "|เบอร์มือถือ|Số điện thoại di động|رقم الجوال|טלפון נייד"
).split("|")

MORE_PEOPLE = (
    "Phone of your plus one|Your grandma's phone|Your cousin's phone|Your PA's phone|Your therapist's phone"
    "|Your realtor's phone|Who is your trusted contact? Phone|Phone of your insurance|Number of your co-founder"
    "|Phone of your co-founder|Mam's phone|Groom's phone|Bride phone|Groom|Bride|Guarantor|Guarantor phone"
    "|Co-signer phone|Second attendee phone|Guest 2 phone|Guest 2|Additional guest phone|Recipient phone"
    "|On-site contact|On-site contact phone|Billing contact phone|EA phone|Team lead phone|Support worker phone"
    "|plus one|Plus one phone|Attendee #2 phone|Caterer's phone|Phone of the caterer|Phone of your caterer"
    "|Your caterer's phone|your caterer phone number|Your mobile and your caterer's|Handynummer deiner Mama"
    "|Handy Mama|Telefon Ihrer Vertrauensperson|Telefon Papa|Handy Papas|Handy Mutti|Handy Vati|Telefon Onkel"
    "|Telefon der Tante|Handy Cousin|Telefon Braut|Telefon Bräutigam|Telefon Bevollmächtigter"
    "|Telefon gesetzlicher Vertreter|Telefon Dritter|Telefon Pflegedienst|Telefon Trauzeuge"
    "|Handy weiterer Teilnehmer|Telefon zweiter Teilnehmer|Telefon Ihrer Hausbank|Handynummer deines Trainers"
    "|Handynummer der zweiten Person|Teilnehmer 2 Telefon|Móvil de tu mamá|Móvil de tu papá|Teléfono del acudiente"
    "|Teléfono del representante legal|Teléfono representante|Celular de tu tío|Celular de la tía"
    "|Celular de tu primo|Teléfono de tu cuñado|Teléfono de la suegra|Teléfono de otra persona"
    "|Teléfono de un tercero|Teléfono de un conocido|Teléfono de tu entrenador|Portable de votre maman"
    "|Téléphone de la personne de confiance|Téléphone du représentant légal|Portable du papa|Téléphone d'un tiers"
    "|Téléphone d'une autre personne|Téléphone du responsable|Portable oncle|Portable tante|Téléphone du cousin"
    "|Téléphone mamie|Téléphone de l'aidant|Téléphone nounou|Téléphone de votre banque|Celular da mamãe"
    "|Celular do papai|Telefone do tio|Telefone da tia|Telefone do primo|Telefone do sogro|Telefone de recado"
    "|Telefone para recado|Telefone de outra pessoa|Telefone de terceiros|Telefone do representante"
    "|Telefone da sua banca|爷爷电话|奶奶手机|外公电话|外婆电话|爺爺電話|同事电话|同學電話|主管電話|老板电话"
    "|老闆電話|房東電話|房东电话|鄰居電話|邻居电话|親戚電話|亲戚电话|室友電話|保姆電話|同行者電話|您的教練電話"
    "|您的教练的电话|你的水電工電話|ご主人の電話|奥さんの電話番号|ママの電話|パパの携帯|親の電話番号|兄の電話"
    "|姉の携帯|弟の電話|妹の電話|彼氏の電話|彼女の電話|同僚の電話|職場の電話番号|勤務先の電話番号"
    "|同行者の電話番号|付き添いの方の電話番号|保証人の電話番号|ご本人以外の電話番号|電話番号（ご本人以外）"
    "|あなたのコーチの電話|Emergency (not your own)|Phone (your mother's)|Phone (not your own)|Phone (not yours)"
    "|Phone (not your number)|Telefon (nicht Ihre eigene)|Phone (not a business line, a parent's)"
    "|Phone (no. of your mother)|Tél. (no de votre mère)|Phone (for your child)"
    "|Mobile (if under 18: your parent's)|Mobile (in case of emergency)|Phone (not yours but your mother's)"
    "|Phone (not the office, but your assistant)|Phone so we can reach your parents|電話（請填家長）"
    "|電話（非本人）|Telefono della mamma|Telefono dello zio|Telefono di terzi|Telefoon van uw collega"
    "|Telefoon van je oom|Telefon babci|Telefon kolegi|Телефон бабушки|Телефон коллеги|할머니 전화번호|동료 전화"
    "|เบอร์โทรเพื่อนร่วมงาน|هاتف الجدة|טלפון של סבתא|Mormors telefon|Kollegas telefon|Mummon puhelin"
    "|Babaannenizin telefonu"
).split("|")
"""In more words and languages, and by words that nobody knows: "Your caterer's phone"."""
ORDINARY = (
    "What is your best phone number?|Your phone number so we can text you|Your WhatsApp"
    "|Your name and phone number|Your phone|Your cell|Your 10-digit mobile number"
    "|Your mobile number, including country code|Please enter your mobile number|Please share your phone number"
    "|Phone number for your appointment|Phone number to confirm your booking"
    "|Mobile number so we can send your e-ticket|Your mobile number (for reminders)|Attendee's phone"
    "|Client's phone|Patient phone|Patient's phone|Client phone|Contact phone|Phone of the person attending"
    "|My mobile number|Your contact phone|Your own mobile|Mobile number - we text you|Phone / mobile"
    "|Mobile (optional)|Mobile (required)|Cell phone number (US only)|Enter your country code and phone number"
    "|Mobile Number (for SMS updates about your appointment)|Phone number we can call you on|Guest phone"
    "|Guest 1 phone|Primary phone|Your U.S. mobile number|Daytime phone|Phone (required for SMS)"
    "|Phone number (no spaces)|Phone number (do not forget your country code)|Phone number (not required)"
    "|Handynummer (bitte keine Firmennummer)|Ihre Mobilnummer|Deine Handynummer|Ihre aktuelle Telefonnummer"
    "|Wie lautet Ihre Telefonnummer?|Handynummer für Ihren Termin|Bitte geben Sie Ihre Mobilnummer an"
    "|Ihre Telefonnummer für Rückfragen|Telefon|Handy|Mobil|Ihre Kontaktdaten (Telefon)|Wie ist deine Handynummer"
    "|Ihr Mobiltelefon|Ihr Name und Ihre Telefonnummer|Telefonnummer Patient|Su número de teléfono"
    "|Su teléfono móvil|Tu número de WhatsApp|Teléfono de contacto|¿Cuál es su número de celular?"
    "|Número de teléfono|Celular con WhatsApp|Teléfono móvil para recordatorios|Tu nombre y teléfono"
    "|Teléfono para confirmar tu cita|Mi celular|Votre numéro de téléphone|Numéro de téléphone"
    "|Votre numéro de mobile|Téléphone mobile|Mon portable|Seu número de WhatsApp|Telefone com DDD"
    "|Qual é o seu telefone?|Seu melhor telefone|O seu telemóvel|Número de telemóvel|您的手机号码|您的联系电话"
    "|您的聯絡電話|請輸入您的手機號碼|请留下您的手机号|方便聯絡您的電話|聯絡電話|联系人电话|聯絡人電話|你的手机号"
    "|手機|您的姓名與電話|您的LINE或電話|聯繫方式電話|可接收簡訊的手機號碼|電話番号|あなたの電話番号"
    "|日中連絡の取れる電話番号|ご連絡先電話番号|お客様の電話番号|携帯電話|Il suo numero di telefono"
    "|Su quale numero possiamo contattarla? Telefono|Telefono cellulare|Numero di telefono|Uw mobiele nummer"
    "|Jouw telefoonnummer|Telefoonnummer|Twój numer telefonu|Numer telefonu|Pani/Pana numer telefonu"
    "|Ваш номер телефона|Ваш контактный телефон|Номер телефона|연락처 전화번호|귀하의 휴대폰 번호|เบอร์โทรศัพท์"
    "|Số điện thoại của bạn|Nomor telepon|رقم الهاتف|رقم هاتفك|מספר טלפון|फ़ोन नंबर|Telefonnummer"
    "|Ditt telefonnummer|Telefon numaranız|Puhelinnumero|Telefonní číslo|Telefonszám|Τηλέφωνο|Număr de telefon"
    "|What phone number should we text?|Please provide your cell phone number so that we may text you a reminder"
    "|Please leave your phone number and we will call you|Enter your mobile phone number below"
    "|Your mobile phone number with country code|Your phone number (with area code)"
    "|What is the best phone number to contact you at?|Your mobile #|Your cell #|Your tel.|Your tel no|Mobile no."
    "|Phone No|Your phone / WhatsApp number|Your Whatsapp number|Your Telegram or WhatsApp|Your Skype or phone"
    "|Your Zoom phone|Backup phone number|If you want SMS reminders, enter your number|Your current mobile"
    "|Your valid phone number please|Your full phone number|Phone number you can be reached at"
    "|Phone number on file|Phone number associated with your account|Phone number linked to your Airbnb account"
    "|Your UK mobile number|Your Australian mobile number|Your US phone number|Your phone number 📱"
    "|Your phone number:|Your Phone Number*|YOUR PHONE|Phone (yours)|Mobile telephone|Mobile for text reminders"
    "|Cell phone for appointment reminders|Your mobile so your coach can call you|Phone number of applicant"
    "|Applicant phone|Student's phone|Owner phone|Homeowner phone|Buyer phone|Customer mobile number|Member phone"
    "|Your preferred phone number for texting|Your everyday phone number|Your number will never be shared. Mobile"
    "|Phone (only used by our team)|Ihre Telefonnummer (Mobil bevorzugt)|Ihre Mobilnummer für die Erinnerung"
    "|Deine Mobilnummer, falls etwas dazwischenkommt|Telefonnummer, unter der wir Sie erreichen können"
    "|Ihre Nummer für SMS|Ihre WhatsApp-Nummer|Dein Handy|Deine Tel.-Nr.|Ihre Tel."
    "|Mobilnummer (inkl. Ländervorwahl)|Handynummer des Kunden|Telefon Kunde"
    "|Wie können wir Sie telefonisch erreichen? Ihre Nummer|Su número de celular, por favor"
    "|Tu teléfono (con prefijo)|Tu teléfono personal|Tu celular con código de área"
    "|Número de teléfono al que podamos llamarte|Su WhatsApp|Tu Whatsapp|Teléfono del paciente"
    "|Teléfono del cliente|Votre téléphone portable|Votre n° de téléphone|Votre tél."
    "|Votre mobile (pour le rappel SMS)|Votre numéro WhatsApp|Téléphone du patient|Seu telefone/WhatsApp"
    "|Seu contato telefônico|Seu contacto telefónico|Seu WhatsApp|Telefone do cliente|Qual seu número de celular?"
    "|Nº de telemóvel|您的行動電話|您的手機（接收簡訊）|您的常用手機|您本人的手机|请填写您的真实手机号码"
    "|您的微信或电话|您的國際電話號碼|您的台灣手機號碼|請問您的聯絡電話是？|您的電話（含國碼）|您的最佳聯絡電話"
    "|您平時使用的手機|預約人電話|訂位人電話|收簡訊的手機|您的国内手机号|客戶電話|病患電話|お客様の携帯番号"
    "|あなたの携帯|ご本人様の電話番号|当日連絡がつく電話番号|SMSを受信できる携帯電話番号|あなたのLINEまたは電話"
    "|電話番号（ハイフンなし）|お客様のご連絡先お電話番号|携帯番号（必須）|Il tuo numero di cellulare"
    "|Il suo recapito telefonico|Il tuo WhatsApp|Numero di cellulare (per promemoria)|Je telefoonnummer"
    "|Je mobiele nummer|Wat is je telefoonnummer?|Uw telefoonnummer (mobiel)|Twój numer komórkowy"
    "|Twój nr telefonu|Podaj swój numer telefonu|Ваш мобильный телефон|Ваш номер WhatsApp"
    "|Укажите ваш номер телефона"
).split("|")
REMARKED = (
    "Mobile number (in case of delays)|Phone number in case of technical problems"
    "|Your mobile number (not your assistant's)|Mobile (so our office can reach you)"
    "|Mobile so our office can reach you|Handynummer (falls unser Büro Sie erreichen muss)"
    "|手機號碼（請勿填公司電話）|携帯電話番号（会社の電話は不可）|Tél. portable (pas de bureau)"
    "|Móvil (no el de la empresa)|Mobile number, not your office|Mobile - not the office|Handynummer (kein Büro)"
    "|Celular (não o da empresa)|Cellulare (non dell'ufficio)|Мобильный (не офис)|手机号码（不要填公司电话）"
    "|手機（以便我們公司聯絡您）|Téléphone (pour que notre bureau puisse vous joindre)"
    "|Phone number in case we get disconnected|Phone number in case the video fails"
    "|Phone number (in case our Zoom connection fails)|Your mobile number, just in case"
    "|Please give us your phone number just in case|Phone (we won't share it with third parties)"
    "|Phone number (never shared with other companies)|Mobile number - our office will text you a link"
    "|Mobile number. Our office will call you|Telefonnummer (wird nicht an Dritte weitergegeben)"
    "|Telefonnummer (keine Weitergabe an Dritte)|Deine Telefonnummer, damit unser Team dich anrufen kann"
    "|Teléfono (no lo compartimos con terceros)|Numéro de téléphone (non communiqué à des tiers)"
).split("|")
"""The guest's own, beside which somebody else is spoken of: which number not to write, or what for."""
ORDINARY_TYPED = (
    "Your preferred contact number|Your number|Your best number|Your direct line|What's your number?"
    "|What's the best number to reach you?|Best number to reach you Mon-Fri|Best number (Mon to Fri)|Text me at"
    "|Deine Nummer|Unter welcher Nummer erreichen wir Sie?|Rückrufnummer|Tu mejor número|Introduce tu número"
    "|Ton numéro|Numéro où vous joindre|À quel numéro puis-je vous joindre ?|Vos coordonnées téléphoniques"
    "|Which number can we reach you at?|Your mob no.|Ph. no|Your contact details|Your contact number"
    "|Your contact no.|Your reachable number|Number on your account|Your Canadian number|Your German number"
    "|Text message number|Your primary contact number|Your usual contact number"
    "|I agree to receive texts at your number|Deine Festnetznummer|Ihre Durchwahl|Ihre beste Nummer"
    "|Tu número para enviarte recordatorios|Déjanos tu número|Votre meilleur numéro|Votre 06"
    "|Quel est votre numéro ?|Seu número com DDD|Op welk nummer kunnen we je bereiken?|Numer kontaktowy"
    "|Ваш номер для связи|Номер, по которому с вами связаться"
).split("|")
"""They are read where the question's type is known."""


def booking(*answers: tuple[str, str], **over: Any) -> Any:
    """Make a booking without a number but in its answers."""
    event = an_event()
    invitee = an_invitee(event, text_reminder_number="", answers=tuple(Answer(*pair) for pair in answers))
    return a_booking(event, invitee, **over)


def found_in(made: Any, questions: frozenset[str] | None, **policy: Any) -> str:
    """Find the guest's number, or the code of why there is none."""
    found = guest_number(made, Policy(**policy), questions)
    return found.number.number if isinstance(found, Found) else found.reason


# Row 1.1: a question about somebody else is never a source.


@pytest.mark.parametrize("is_known", [True, False], ids=["types known", "types not known"])
@pytest.mark.parametrize("question", [*SOMEBODY_ELSE, *MORE_PEOPLE])
def test_a_number_of_somebody_else_is_never_texted(question: str, is_known: bool) -> None:
    """Alone, before and after the guest's own; by its type and by its name; but where a source names it exactly."""
    for own in ("Your mobile", "Mobile number", "Phone"):
        for answers in ([(question, THEIRS), (own, OWN)], [(own, OWN), (question, THEIRS)]):
            known = frozenset({question, own}) if is_known else None
            assert found_in(booking(*answers), known) == OWN

    alone = booking((question, THEIRS))
    known = frozenset({question}) if is_known else None
    assert found_in(alone, known) == "no_number"
    why = guest_number(alone, Policy(), known)
    assert isinstance(why, NoRecipient)
    assert question in why.detail
    assert f'"question:{question}"' in why.detail
    assert found_in(alone, known, phone_sources=(f"question:{question}",)) == THEIRS


@pytest.mark.parametrize("question", [*GUESTS_OWN, *ORDINARY, *REMARKED])
def test_the_guests_own_number_is_texted(question: str) -> None:
    """By its type and by its name; no word about somebody else is seen in it."""
    assert not is_about_somebody_else(question)
    assert found_in(booking((question, OWN)), frozenset({question})) == OWN
    assert found_in(booking((question, OWN)), None) == OWN


@pytest.mark.parametrize("question", ORDINARY_TYPED)
def test_the_guests_own_number_is_texted_by_its_type(question: str) -> None:
    """What is not called like a number is no source where types are not known."""
    assert not is_about_somebody_else(question)
    assert found_in(booking((question, OWN)), frozenset({question})) == OWN


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("Your mobile number", Likeness.OWN),
        ("Your best phone number", Likeness.OWN),
        ("Your WhatsApp", Likeness.OWN),
        ("Your phone number so we can text you", Likeness.OWN),
        ("Tu móvil", Likeness.OWN),
        ("Ihre aktuelle Handynummer", Likeness.OWN),
        ("您的常用手機", Likeness.OWN),
        ("あなたの電話番号", Likeness.OWN),
        ("Mobile number so we can send your voucher", Likeness.MOBILE),
        ("Phone number to confirm your voucher", Likeness.PLAIN),
        ("Phone number linked to your account", Likeness.PLAIN),
        ("Mobile number (not your landline)", Likeness.MOBILE),
        ("Mobile number (in case of delays)", Likeness.MOBILE),
        ("Best phone number, Mon-Fri", Likeness.PLAIN),
        ("Phone of your caterer", Likeness.PLAIN),
        ("Mobile of your caterer", Likeness.MOBILE),
        ("Telefon Ihrer Hausbank", Likeness.PLAIN),
        ("您的教练的电话", Likeness.PLAIN),
        ("請輸入您的電話", Likeness.OWN),
        ("您的微信", Likeness.PLAIN),
        ("Your 电话", Likeness.OWN),
        ("What is your name? Mobile number", Likeness.MOBILE),
        ("您的房客", Likeness.PLAIN),
    ],
)
def test_a_your_makes_it_the_guests_own_only_before_a_number(question: str, expected: Likeness) -> None:
    """What "your" belongs to counts, not that it stands there."""
    assert likeness(question) is expected


@pytest.mark.parametrize(
    ("question", "is_theirs"),
    [
        ("Phone (not your assistant's)", False),
        ("Phone (your assistant's)", True),
        ("Phone (please no assistants)", False),
        ("Phone (not the office, but your assistant)", True),
        ("Phone (not your own)", True),
        ("Phone (not your phone number)", True),
        ("Phone (don't forget your phone number)", False),
        ("Phone (no. of your assistant)", True),
        ("Phone (so our office can reach you)", False),
        ("Phone (so our office can reach your parents)", True),
        ("Phone. Our office will call you", False),
        ("Phone (office)", True),
        ("Phone (never shared with other companies)", False),
        ("Phone (shared with other companies)", True),
        ("Emergency (not your own)", True),
        ("Emergency phone (not required)", True),
        ("Phone of your contact", True),
        ("Your contact", False),
        ("Phone (not your home phone)", False),
        ("Phone (not required if your number is known)", False),
        ("電話（不是您的號碼）", True),
        ("電話（請勿填寫您的電話）", True),
        ("電話（あなたの番号以外）", True),
        ("電話（您的電話 座机除外）", False),
        ("電話（不要忘記您的電話）", False),
        ("Phone (never shared, your assistant's)", True),
        ("Phone (not your own, please no assistants)", True),
        ("電話（会社以外！）", False),
        ("Your caterer", True),
        ("Send me your caterer phone", True),
        ("Send me your voucher by phone", False),
        ("您的房客", True),
        ("您房客", False),
        ("請寫您的房客", False),
        ("電話（会社以外）", False),
        ("電話（ご本人以外）", True),
        ("電話（非本人）", True),
        ("電話（非公司電話）", False),
    ],
)
def test_a_remark_counts_unless_it_only_says_which_number_not_to_write(question: str, is_theirs: bool) -> None:
    """Or who is to reach the guest."""
    assert is_about_somebody_else(question) is is_theirs


@pytest.mark.parametrize("words", ["your ", "phone of your contact ", "(not your own ", "您的可能", "Our office. "])
def test_an_endless_name_is_read_at_once(words: str) -> None:
    """Only its words count; and somebody else is seen at its end."""
    assert not is_about_somebody_else("word " * 500 + "phone")
    assert is_about_somebody_else(words * 5000 + " parent")
    assert likeness(words * 5000) in Likeness


@pytest.mark.parametrize("is_known", [True, False], ids=["types known", "types not known"])
@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("Phone", "Your mobile", OWN),
        ("Your mobile", "Work phone", THEIRS),
        ("Home phone", "Mobile number", OWN),
        ("Second phone", "Phone", OWN),
        ("Phone", "Mobile number", OWN),
        ("Telefon", "Mobilnummer für SMS", OWN),
        ("Phone 1", "Phone 2", "unclear_question"),
        ("Mobile", "Cell phone", "unclear_question"),
        ("Your phone", "Your mobile", "unclear_question"),
    ],
)
def test_of_two_numbers_the_guests_own_wins(first: str, second: str, expected: str, is_known: bool) -> None:
    """Wherever it stands; where nothing tells, nobody is texted and the questions are named."""
    known = frozenset({first, second}) if is_known else None
    here = booking((first, THEIRS), (second, OWN))
    there = booking((second, OWN), (first, THEIRS))

    assert found_in(here, known) == found_in(there, known) == expected
    if expected == "unclear_question":
        why = guest_number(here, Policy(), known)
        assert isinstance(why, NoRecipient)
        assert f'"{first}", "{second}"' in why.detail
        assert not any(number[1:] in why.detail for number in (THEIRS, OWN))
        assert found_in(here, known, phone_sources=(f"question:{second}", "question:*")) == OWN


def test_two_questions_with_one_number_are_clear() -> None:
    """However it is spelt in each."""
    made = booking(("Phone 1", OWN), ("Phone 2", "(312) 555-0142"))

    assert found_in(made, frozenset({"Phone 1", "Phone 2"}), country="US") == OWN


def test_a_later_source_helps_where_a_question_is_unclear() -> None:
    """A number for Calendly's own reminders is the guest's."""
    made = booking(("Phone 1", OWN), ("Phone 2", THEIRS))
    made = replace(made, invitee=replace(made.invitee, text_reminder_number=THIRD))

    assert found_in(made, None, phone_sources=("question:*", "text_reminder_number")) == THIRD


@pytest.mark.parametrize(
    "question",
    [*GUESTS_OWN, *SOMEBODY_ELSE, *ORDINARY, *REMARKED, *MORE_PEOPLE, "Order", "Why?", "", "Name of your partner"],
)
def test_a_name_is_read_whatever_its_case_and_accents(question: str) -> None:
    """As a form's author types it."""
    for other in (question.upper(), f"  {question}  ", question.replace(" ", "_")):
        assert asks_for_phone(other) == asks_for_phone(question)
        assert is_about_somebody_else(other) == is_about_somebody_else(question)
        assert likeness(other) is likeness(question)
    assert likeness(question) in Likeness


# Row 1.7: what was once read as the guest's number stays so.


@pytest.fixture
def stage(settings: Callable[..., Settings], store: Store) -> WorkerOnFakes:
    """A worker with the tutorial's rules, and a guest who answered a question of type phone."""
    made = WorkerOnFakes(settings(environ={"HOST_PHONE": "", "TEMPLATE_ID_HOST_NOTIFY": ""}), store)
    ask(made, "Reach me at")
    answer(made, ("Reach me at", OWN), ("Order", THIRD))
    made.run()
    return made


def ask(stage: WorkerOnFakes, *questions: str) -> None:
    """Change the event type's questions of type phone."""
    stage.calendly.types[TYPE] = EventType(TYPE, "Phone consultation", frozenset(questions))


def answer(stage: WorkerOnFakes, *answers: tuple[str, str]) -> None:
    """Change what the guest answered, as Calendly shows it."""
    event = an_event()
    typed = tuple(Answer(*pair) for pair in answers)
    stage.calendly.put(event, an_invitee(event, text_reminder_number="", answers=typed))


def reminders(stage: WorkerOnFakes) -> dict[str, tuple[State, str]]:
    """The reminders' states and numbers."""
    found = [message for message in stage.store.messages() if message.rule.startswith("reminder")]
    return {message.rule: (message.state, message.to) for message in found}


def read_again(stage: WorkerOnFakes) -> None:
    """Let the event be read again, and its type, as happens within a day."""
    stage.now += timedelta(hours=25)
    stage.run()


WAITING = (State.SCHEDULED, OWN)


@pytest.mark.parametrize(
    ("questions", "answers"),
    [
        pytest.param(("Best number",), [("Reach me at", OWN)], id="renamed at the event type"),
        pytest.param(("Best number",), [("Best number", OWN)], id="renamed in the answers, too"),
        pytest.param((), [("Reach me at", OWN)], id="retyped"),
        pytest.param((), [("Order", THIRD), ("Reach me at", OWN)], id="removed, and the answers in another order"),
        pytest.param(("Order",), [("Reach me at", OWN), ("Order", THIRD)], id="another one of type phone"),
        pytest.param(("Your mobile",), [("Reach me at", OWN), ("Your mobile", THIRD)], id="a better one beside it"),
        pytest.param(("Parent's phone",), [("Parent's phone", OWN)], id="renamed to somebody else's"),
    ],
)
def test_an_unchanged_answer_stays_the_guests_number(
    stage: WorkerOnFakes, questions: tuple[str, ...], answers: list[tuple[str, str]]
) -> None:
    """Whatever the host makes of the question afterwards."""
    before = reminders(stage)
    ask(stage, *questions)
    answer(stage, *answers)
    read_again(stage)

    assert before == {"reminder-24h": WAITING, "reminder-1h": WAITING}
    assert reminders(stage)["reminder-1h"] == WAITING
    assert {sent.to for sent in stage.gateway.texts} == {OWN}


@pytest.mark.parametrize(
    ("questions", "answers", "expected"),
    [
        pytest.param(("Reach me at",), [("Reach me at", THIRD)], (State.SCHEDULED, THIRD), id="to another number"),
        pytest.param(("Phone",), [("Phone", THIRD)], (State.SCHEDULED, THIRD), id="and the question"),
        pytest.param(("Phone",), [("Reach me at", "none")], (State.SKIPPED, ""), id="to none"),
        pytest.param((), [("Order", THIRD)], (State.SKIPPED, ""), id="gone"),
    ],
)
def test_a_changed_answer_is_read_anew(
    stage: WorkerOnFakes, questions: tuple[str, ...], answers: list[tuple[str, str]], expected: tuple[State, str]
) -> None:
    """By the questions as they are now."""
    ask(stage, *questions)
    answer(stage, *answers)
    read_again(stage)

    assert reminders(stage)["reminder-1h"] == expected


def test_a_moved_booking_keeps_the_answer(stage: WorkerOnFakes) -> None:
    """Its new half is a booking of its own, with the same answers; the question was renamed in between."""
    old_event, event = an_event(), an_event("e2", start=NOW + 5 * DAY)
    typed = (Answer("Reach me at", OWN),)
    new = an_invitee(
        event, text_reminder_number="", answers=typed, old_invitee=f"{old_event.uri}/invitees/i1", created_at=NOW
    )
    old = an_invitee(
        old_event, text_reminder_number="", answers=typed, status="canceled", rescheduled=True, new_invitee=new.uri,
        canceled_at=NOW,
    )  # fmt: skip
    stage.calendly.put(replace(old_event, status="canceled", active=0), old)
    stage.calendly.put(event, new)
    ask(stage)
    read_again(stage)

    waiting = [message for message in stage.store.messages() if message.booking == new.uri]
    assert {message.to for message in waiting if message.state is not State.SKIPPED} == {OWN}


def test_a_setting_still_decides(stage: WorkerOnFakes, settings: Callable[..., Settings]) -> None:
    """What a booking remembers holds for the source that it was read by; the operator may name another."""
    stage.settings = settings(
        '[phones]\nsources = ["question:Order"]', {"HOST_PHONE": "", "TEMPLATE_ID_HOST_NOTIFY": ""}
    )
    stage.now += MINUTE
    stage.run()

    assert reminders(stage)["reminder-1h"] == (State.SCHEDULED, THIRD)


def test_a_number_that_a_setting_makes_readable_is_remembered_at_once(
    store: Store, settings: Callable[..., Settings]
) -> None:
    """Before the event is read again."""
    stage = WorkerOnFakes(settings(environ={"HOST_PHONE": "", "TEMPLATE_ID_HOST_NOTIFY": ""}), store)
    ask(stage, "Reach me at")
    answer(stage, ("Reach me at", "312 555 0142"))
    stage.run()
    before = reminders(stage)["reminder-1h"]
    stage.settings = settings('country = "US"', {"HOST_PHONE": "", "TEMPLATE_ID_HOST_NOTIFY": ""})
    stage.now += MINUTE
    stage.run()
    [kept] = stage.store.bookings(events=[an_event().uri]).values()

    assert before[0] is State.SKIPPED
    assert reminders(stage)["reminder-1h"] == WAITING
    assert (kept.phone_source, kept.phone_question) == ("question:*", "Reach me at")


def test_what_is_remembered_needs_no_event_type(stage: WorkerOnFakes) -> None:
    """Nor does it hang on whether it can be read."""
    stage.calendly.calls.clear()
    stage.calendly.fail("event_type", NotThere("gone", status=404), times=9)
    read_again(stage)

    assert reminders(stage)["reminder-1h"] == WAITING
    assert [call for call in stage.calendly.calls if call[0] == "event_type"] == []


def test_nothing_is_remembered_of_a_number_that_is_no_answer(store: Store, settings: Callable[..., Settings]) -> None:
    """Nor of an erased person."""
    stage = WorkerOnFakes(settings(environ={"HOST_PHONE": "", "TEMPLATE_ID_HOST_NOTIFY": ""}), store)
    event = an_event()
    stage.calendly.put(event, an_invitee(event))
    stage.run()
    [kept] = store.bookings(events=[event.uri]).values()

    assert (kept.phone_source, kept.phone_question) == ("", "")
    remembered = booking(("Phone", OWN), phone_source="question:*", phone_question="Phone")
    assert needs_questions(remembered, Policy()) is False
    assert needs_questions(booking(("Phone", OWN)), Policy()) is True


# Row 1.8: an answer that looks like a number, though no source reads it.


@pytest.mark.parametrize(
    ("question", "text", "country", "is_named"),
    [
        ("Mobile number", OWN, "", True),
        ("Mobile number", "312 555 0142", "", True),
        ("Mobile number", "it is 312-555-0142", "US", True),
        ("Reach me at", OWN, "", True),
        ("Reach me at", "(+1) 312 555 0142", "", True),
        ("Mobile number", "yes", "", False),
        ("Order", "3125550142", "US", False),
        ("Why?", "+1 more time", "", False),
    ],
)
def test_an_unread_answer_that_looks_like_a_number_is_named(
    question: str, text: str, country: str, is_named: bool
) -> None:
    """With the setting that reads it; never with the number."""
    made = booking(("Why?", "A knee"), (question, text))
    why = guest_number(made, Policy(country=country), frozenset())

    assert isinstance(why, NoRecipient)
    assert why.reason is Reason.NO_NUMBER
    assert (f'add "question:{question}" to phones.sources' in why.detail) is is_named
    assert not any(character.isdecimal() for character in why.detail)


def test_the_hint_stands_beside_another_reason() -> None:
    """A landline for reminders, and the mobile in a plain question."""
    made = booking(("Mobile number", OWN))
    made = replace(made, invitee=replace(made.invitee, text_reminder_number="+442079460958"))
    why = guest_number(made, Policy(), frozenset())

    assert isinstance(why, NoRecipient)
    assert why.reason is Reason.LANDLINE
    assert "question:Mobile number" in why.detail


@pytest.mark.parametrize(
    "names",
    [
        pytest.param(("Mobile number", "Handy"), id="the guest's own"),
        pytest.param(("Mother's phone", "Phone of the caterer"), id="somebody else's"),
    ],
)
def test_every_unread_answer_is_named(names: tuple[str, str]) -> None:
    """The first of them is the example."""
    why = guest_number(booking((names[0], OWN), (names[1], THEIRS)), Policy(), frozenset())

    assert isinstance(why, NoRecipient)
    assert all(f'"{name}"' in why.detail for name in names)
    assert f'"question:{names[0]}"' in why.detail


@pytest.mark.parametrize(
    ("question", "text", "expected"),
    [
        ("Reach me at", "+49 171 1234567", True),
        ("Reach me at", "0049 171 1234567", True),
        ("Reach me at", "＋49 171 1234567", True),
        ("Reach me at", "\u202a(+49) 171 1234567", True),
        ("Reach me at", "0171 1234567", False),
        ("Order", "00999999999", False),
        ("Phone", "1234567", True),
        ("Phone", "123456", False),
    ],
)
def test_what_may_hold_a_number(question: str, text: str, expected: bool) -> None:
    """What a question for a number holds, or what is written like an international one."""
    assert may_hold_number(Answer(question, text), Policy(country="DE")) is expected


def test_what_is_found_says_where() -> None:
    """Its source, and the question as it is called now, also where the answer is remembered."""
    made = booking(("Mobile", OWN))
    known = replace(made, phone_source="question:*", phone_question="Mobile")

    for one in (made, known):
        found = guest_number(one, Policy(), frozenset({"Mobile"}))
        assert isinstance(found, Found)
        assert (found.number.number, found.source, found.question) == (OWN, "question:*", "Mobile")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Phone " + "x" * 54, "Phone " + "x" * 54),
        ("Phone " + "x" * 55, "Phone " + "x" * 53 + "…"),
        ("Phone 123456", "Phone 123456"),
        ("Phone 1234567", "Phone *******"),
    ],
)
def test_how_a_question_is_named(name: str, shown: str) -> None:
    """In 60 characters, and without a number that may stand in it."""
    why = guest_number(booking((name, OWN), ("Phone 2", THEIRS)), Policy(), None)

    assert isinstance(why, NoRecipient)
    assert why.detail.startswith(f'"{shown}", "Phone 2" ')


def test_a_name_with_a_number_in_it_is_masked() -> None:
    """Hosts write their own number into questions."""
    made = booking(("Call +1 312 555 0199, or leave your phone", OWN))
    why = guest_number(made, Policy(), frozenset())

    assert isinstance(why, NoRecipient)
    assert "leave your phone" in why.detail
    assert not any(character.isdecimal() for character in why.detail)


@pytest.mark.usefixtures("as_worded")
def test_a_skipped_message_says_it(store: Store, settings: Callable[..., Settings]) -> None:
    """In its detail, so that `explain` does."""
    stage = WorkerOnFakes(settings(environ={"HOST_PHONE": "", "TEMPLATE_ID_HOST_NOTIFY": ""}), store)
    ask(stage)
    answer(stage, ("Mobile number", OWN))
    stage.run()
    found = [message for message in store.messages() if message.reason is Reason.NO_NUMBER]
    details = {message.detail for message in found if message.rule != "host"}

    assert len(details) == 1
    assert 'add "question:Mobile number" to phones.sources' in details.pop()


# Edges.


def test_unclear_questions_come_before_another_reason() -> None:
    """They are nearer to a text than a landline for reminders."""
    made = booking(("Phone 1", OWN), ("Phone 2", THEIRS))
    made = replace(made, invitee=replace(made.invitee, text_reminder_number="+442079460958"))

    assert found_in(made, None) == "unclear_question"


@pytest.mark.parametrize(
    ("question", "text", "known", "expected"),
    [
        ("Phone", "1234567", frozenset({"Phone"}), "needs_country"),
        ("Phone", "n/a", frozenset({"Phone"}), "invalid_number"),
        ("Phone", "12", None, "no_number"),
        ("Phone", "123", None, "needs_country"),
        ("Phone", " ", frozenset({"Phone"}), "no_number"),
    ],
)
def test_what_a_source_reads_is_not_named_as_unread(
    question: str, text: str, known: frozenset[str] | None, expected: str
) -> None:
    """Its reason says enough."""
    why = guest_number(booking((question, text)), Policy(), known)

    assert isinstance(why, NoRecipient)
    assert why.reason == expected
    assert "phones.sources" not in why.detail


@pytest.mark.parametrize(("answer_text", "expected"), [("1234567", True), ("123456", False)])
def test_an_event_type_is_read_for_what_may_be_a_number(answer_text: str, expected: bool) -> None:
    """Seven digits may be one."""
    assert needs_questions(booking(("Reach me at", answer_text)), Policy()) is expected
    assert needs_questions(booking(("Reach me at", OWN)), Policy(phone_sources=("question:Other",))) is False
    why = guest_number(booking(("Mobile", answer_text)), Policy(), frozenset())
    assert isinstance(why, NoRecipient)
    assert ("phones.sources" in why.detail) is expected


@pytest.mark.parametrize(("total", "expected"), [(1, THIRD), (2, "no_number")])
def test_the_calls_number_in_a_group_is_nobodys(total: int, expected: str) -> None:
    """It is the event's, and one guest's."""
    made = booking()
    event = replace(made.event, location=Location("outbound_call", THIRD), total=total)

    assert found_in(replace(made, event=event), None) == expected


def test_many_and_long_questions_are_named_in_short() -> None:
    """A detail is a line, not a page."""
    names = [f"Phone {letter} {'x' * 80}" for letter in "ABCDEFG"]
    why = guest_number(booking(*[(name, f"+1312555014{n}") for n, name in enumerate(names)]), Policy(), None)

    assert isinstance(why, NoRecipient)
    assert why.detail.count('"') == 10
    assert " and 2 more hold different numbers" in why.detail
    assert f'"Phone A {"x" * 51}…"' in why.detail
    five = guest_number(booking(*[(f"Phone {n}", f"+1312555014{n}") for n in range(5)]), Policy(), None)
    assert isinstance(five, NoRecipient)
    assert "more" not in five.detail


def test_a_hint_names_the_guests_own_before_others() -> None:
    """Both are not read; one of them should be."""
    made = booking(("Emergency phone", THEIRS), ("Mobile number", OWN))
    why = guest_number(made, Policy(), frozenset({"Emergency phone"}))

    assert isinstance(why, NoRecipient)
    assert 'add "question:Mobile number" to phones.sources' in why.detail
    assert "Emergency" not in why.detail
    assert "somebody else" not in why.detail


# What `check` says of the event types.


@dataclass
class Facts:
    """A checklist whose lines are kept."""

    told: list[str]

    def ok(self, fact: str) -> None:
        """Keep what is good."""
        self.told.append(f"ok {fact}")

    def warn(self, fact: str, remedy: str) -> None:
        """Keep what should be looked at."""
        self.told.append(f"warn {fact}. {remedy}")


@pytest.mark.parametrize(
    ("typed", "plain", "sources", "warned"),
    [
        ((), ("Mobile number",), "", 1),
        (("Emergency contact phone",), (), "", 1),
        (("Emergency contact phone",), ("Mobile number",), "", 2),
        (("Emergency contact phone", "Your mobile"), ("Work phone",), "", 0),
        (("Emergency contact phone",), ("Mobile number",), '"question:mobile number"', 0),
        ((), ("Why?",), "", 0),
    ],
)
def test_check_warns_where_no_question_for_the_guests_own_number_is_read(
    settings: Callable[..., Settings], typed: tuple[str, ...], plain: tuple[str, ...], sources: str, warned: int
) -> None:
    """Where another question is read, a line says so, and that is enough."""
    told: list[str] = []
    more = f", {sources}" if sources else ""
    made = settings(f'[phones]\nsources = ["text_reminder_number", "question:*"{more}]')
    kind = EventType(TYPE, "Consultation", frozenset(typed), frozenset(plain))

    check_accounts._say_questions(Facts(told), made, [kind])  # type: ignore[arg-type]

    assert sum(line.startswith("warn ") for line in told) == warned
    assert all("phones.sources" in line for line in told)


def test_check_names_questions_that_are_not_read(settings: Callable[..., Settings]) -> None:
    """Of another type, or about somebody else; with the setting that reads them, and not those that it reads."""
    told: list[str] = []
    phone = frozenset({"Your mobile", "Emergency contact phone"})
    kinds = [
        EventType(TYPE, "Consultation", phone, frozenset({"Why?", "Mobile number", "Parent's name", "WhatsApp"})),
        EventType(f"{TYPE}2", "Call", frozenset({"Reach me at"})),
    ]
    made = settings('[phones]\nsources = ["question:*", "question:whatsapp"]')

    check_accounts._say_questions(Facts(told), made, kinds)  # type: ignore[arg-type]

    assert len(told) == 2
    assert all(line.startswith("ok ") for line in told)  # the guest's own question is read
    assert all('event type "Consultation"' in line for line in told)
    assert '"Emergency contact phone" is not read, as it seems to be about somebody else' in told[0]
    assert '"Mobile number" is not read, as it is not of the type phone number' in told[1]
    assert 'add "question:Mobile number" to phones.sources' in told[1]
