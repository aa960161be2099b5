"""What a question of a booking form asks for, by its name: a telephone number, and whose. Pure.

Calendly says of which type a question is, but not about whom it asks. A form may ask for a parent's number, or for one
to call in an emergency, before it asks for the guest's own. So a name that speaks of somebody else is never the guest's
number, whatever its type. The words are in the languages that syncer writes, and in some more.
"""

from __future__ import annotations

import re
import unicodedata
from enum import IntEnum
from functools import cache, lru_cache


class Likeness(IntEnum):
    """How surely a question asks for the number by which the guest is texted; the least is the surest."""

    OWN = 0
    """It says "your", or that texts go there."""
    MOBILE = 1
    """It asks for a mobile number."""
    PLAIN = 2
    """It asks for a number, or nobody knows for what."""
    OTHER_LINE = 3
    """It asks for a second number, or for one at home or at work."""


# A word that ends in * may go on, and "_" stands for a blank. The others are whole words. The `_ANYWHERE` ones are of
# scripts without blanks between words, or of ones where a word is built on.

_PHONE = """
    phone phones telephone* smartphone* cellphone* mobilephone* mobil mobile mobiles cell cellular cel tel tél
    téléphone* portable telefon* telefón* teléfono* telefono* telefone* telemóvel* cellulare* celular* móvil* movil*
    handy* handynummer* mobilnummer* mobiltelefon* mobilnr* rufnummer* telefoon* mobiel* puhelin* gsm natel komórk*
    telepon* ponsel* cep whatsapp sms mobitel* matkapuh* телефон* мобильн* мобільн* τηλέφων* κινητ*
"""
_PHONE_ANYWHERE = """
    फ़ोन फोन मोबाइल โทรศัพท์ มือถือ số_điện_thoại điện_thoại số_di_động 手机 手機 電話 电话 携帯 ケータイ スマホ 휴대폰
    휴대전화 전화 핸드폰 联系方式 聯絡方式 行動電話 טלפון נייד هاتف جوال موبايل تلفن موبایل
"""
_MOBILE = """
    mobile* mobil* cell cellphone* cellular* cel smartphone* handy* portable* móvil* movil* celular* cellulare*
    telemóvel* komórk* matkapuh* gsm natel cep ponsel* мобильн* мобільн* κινητ*
"""
_MOBILE_ANYWHERE = (
    "मोबाइल มือถือ di_động 手机 手機 行動電話 携帯 ケータイ スマホ 휴대폰 휴대전화 핸드폰 נייד جوال موبايل موبایل"
)
_OWN = """
    your yours my own participant's attendee's deine* dein ihre ihrer ihr meine* mein eigene* tu tus su sus mi
    propio propia votre vos ton ta mon ma seu sua teu tua meu minha tuo tua suo mio jouw je uw mijn twój twoj*
    państwa moj* ваш* твой твоя мой моя sms whatsapp text texts texting erinnerungen reminder reminders
    recordatorios rappels lembretes
"""
_OWN_ANYWHERE = "您 你 本人 我的 自己 あなた ご自身 短信 簡訊 ショートメッセージ 귀하 본인 문자"
_OTHER_LINE = """
    landline* home work business alternate* alternative* second secondary backup other another additional festnetz*
    privat* dienstlich* geschäft* zweit* weitere* andere* fijo casa trabajo alternativ* segundo otro otra adicional
    fixe domicile travail professionnel* secondaire autre fixo trabalho segundo outro outra adicional fisso lavoro
    altro secondo vast vaste werk zakelijk tweede domowy służbowy drugi рабочий домашний второй другой
"""
_OTHER_LINE_ANYWHERE = "备用 備用 其他 家庭电话 家裡電話 市话 市話 座机 自宅 固定 予備 別の 勤務先 집전화 직장 대체"

_SOMEBODY_ELSE = """
    emergency emergencies ice kin parent parents parental mother mother's mothers father father's fathers mum mum's
    mom mom's dad dad's guardian* caregiver* carer* caretaker* partner* spouse* husband* wife wife's wives fiance*
    fiancee* girlfriend* boyfriend* friend friend's friends relative* family sibling* brother* sister* son son's
    daughter* child child's children* kid kid's kids grandparent* grandmother* grandfather* aunt* uncle* neighbour*
    neighbor* assistant* secretary secretary's secretaries receptionist* reception office* company company's
    companies corporate headquarters hq switchboard employer* manager manager's supervisor* boss* colleague*
    coworker* teacher* school* doctor* physician* dentist* gp lawyer* attorney* agent agent's agency broker*
    accountant* landlord* tenant* roommate* referral* referrer* referred referee* reference references witness*
    beneficiary beneficiaries chaperone* companion* escort* driver* vet veterinarian* pharmacy insurer* fax*
    telefax* plus-one co-applicant* cosigner* someone somebody else contact_person contact_person's accompanying
    alternate_contact alternative_contact second_contact secondary_contact backup_contact other_contact nanny*
    babysitter* stepmother* stepfather* interpreter* translator* social_worker* significant_other loved_one*
    hospital* clinic* hotel* coordinator* in_case_of whom who_else anyone_else

    notfall* notruf* angehörig* eltern* vater* mutter* erziehungsberechtigt* sorgeberechtigt* vormund* betreuer*
    betreuung* ehepartner* lebenspartner* ehemann* ehefrau* ehegatt* gatte* gattin* lebensgefährt* verlobte* freund
    freundin* freundes freunde verwandt* familie* geschwister* bruder* schwester* sohn* tochter* kind kindes kinder*
    oma opa großeltern* grosseltern* nachbar* assistent* assistenz* sekretär* sekretar* sekretariat* empfang*
    rezeption* büro* buero* firma firmen* unternehmen* zentrale arbeitgeber* vorgesetzt* chef* kollege* kollegin*
    lehrer* schule hausarzt* arzt* ärztin* anwalt* anwält* makler* vermieter* mieter* empfehl* geworben* werber*
    referenz* zeuge* begleitperson* begleitung* kontaktperson* ansprechpartner* ansprechperson* vertretung*
    bekannte* schwieger* stief* großvater* großmutter* dolmetscher* klinik* krankenhaus*

    emergencia* pariente* familiar* padre* madre* tutor* tutora* apoderad* cuidador* pareja* cónyuge* esposo*
    esposa* marido* mujer novio* novia* amigo* amiga* hermano* hermana* hijo* hija* abuelo* abuela* vecino* vecina*
    asistente* secretari* recepción oficina* empresa* compañía* jefe* jefa* colega* profesor* escuela* médico*
    abogad* agente* referido* referencia* testigo* acompañante* allegad* persona_de_contacto empleador*

    urgence* proche* père* mère* tuteur* tutrice* responsable_légal* conjoint* époux* épouse* mari femme compagnon*
    compagne* concubin* fiancé* petit_ami* petite_amie* ami ami·e amie amis amies frère* sœur* soeur* fils fille
    enfant* grand-père* grand-mère* grands-parents voisin* assistant* secrétaire* secrétariat* accueil bureau*
    entreprise* société* employeur* patron* collègue* professeur* école* médecin* avocat* mandataire* parrain*
    filleul* témoin* accompagnat* accompagnant* télécopi* personne_à_contacter personne_à_prévenir
    personne_de_contact recommandé_par

    emergência* parente* familiar* pai dos_pais mãe* responsável* encarregado* tutor* cuidador* parceir* cônjuge*
    marido* esposa* mulher namorad* noiv* irmão* irmã* filho* filha* avô* avó* vizinh* secretári* recepção
    escritório* empresa* companhia* empregador* chefe* escola* médico* advogad* corretor* indicação* indicado*
    referência* testemunha* acompanhante* pessoa_de_contato pessoa_de_contacto

    emergenza* emergenze genitor* padre madre tutore* coniuge* marito* moglie* compagn* fidanzat* amico* amica*
    fratello* sorella* figlio* figlia* nonn* vicino* assistente* segretari* ufficio* azienda* società datore*
    medico* avvocato* agente* referente* testimone* accompagnator* congiunt* parent* nood* ouder* vader* moeder*
    voogd* verzorger* echtgeno* vriend* zoon* dochter* broer* zus zussen buur* secretaresse* kantoor* bedrijf*
    werkgever* huisarts* advocaat* contactpersoon* familielid* nagły* nagłych awaryjn* rodzic* ojca ojciec matki
    matka opiekun* małżon* mąż męża żona żony partnera znajom* przyjaciel* krewn* syn syna córk* dziecka brat*
    siostr* sekretar* biur* firm* pracodawc* lekarz* polecaj* экстренн* чрезвычайн* родител* мать матери мамы мама
    отца отец папы опекун* супруг* муж* жены жена партнер* партнёр* друг друга подруг* родственник* сын* дочери дочь
    ребенка ребёнка брат* сестр* ассистент* секретар* офис* компани* фирм* работодател* врач* факс* екстрен* батьк*
    матір* опікун* чоловік* дружин* nödkontakt* nödfall* förälder* föräldr* mamma* pappa* vårdnadshavare* anhörig*
    sambo kontor* företag* nødsituation* forelder* foreldre* forælder* forældre* pårørende* ektefelle* ægtefælle*
    virksomhed* bedrift* hätä* huoltaj* vanhem* puoliso* omais* äidin isän toimisto* yritys* acil veli* annesi*
    babası* yakın* asistan* sekreter* ofis* şirket* faks* nouzov* tísňov* rodič* matky otce manžel* manžek* partnera
    kancelář* vészhelyzet* szülő* anya* apja házastárs* férj* feleség* iroda* cég* urgență* părint* mamei tatălui
    soțul* soția* soției birou* firmă* έκτακτη* ανάγκης γον* μητέρα* πατέρα* κηδεμόν* σύζυγ* φίλ* γραφείο* εταιρ*
    φαξ khẩn_cấp phụ_huynh cha_mẹ người_giám_hộ chồng bạn_bè người_thân thư_ký văn_phòng công_ty người_giới_thiệu
    darurat orang_tua ayah ibu wali pasangan suami istri teman kantor perusahaan
"""
_SOMEBODY_ELSE_ANYWHERE = """
    notfall angehörig erziehungsberechtigt ehepartner lebenspartner ansprechpartner 緊急 紧急 急救 父母 家長 家长
    父親 父亲 母親 母亲 爸爸 媽媽 妈妈 監護人 监护人 配偶 伴侶 伴侣 丈夫 妻子 太太 先生電話 老公 老婆 男友 女友 朋友
    親友 亲友 親屬 亲属 家屬 家属 家人 兒子 儿子 女兒 女儿 孩子 子女 小孩 兄弟 姐妹 姊妹 助理 秘書 秘书 公司 辦公室
    办公室 企業 企业 單位電話 单位电话 雇主 老師 老师 學校 学校 醫師 醫生 医生 律師 律师 推薦人 推荐人 介紹人 介绍人
    傳真 传真 代理人 同伴 陪同 保護者 両親 父の 母の お父 お母 後見人 ご家族 家族 親族 親御 続柄 夫の 妻の 旦那 奥様
    パートナー 恋人 友人 知人 友達 お子 子供 子ども 息子 娘 兄弟 姉妹 アシスタント 秘書 会社 オフィス 事務所
    勤務先代表 法人 上司 学校 医師 主治医 弁護士 紹介者 ご紹介 ファックス ファクス 連絡先の方 同伴者 付添 緊急連絡
    비상 응급 긴급 부모 보호자 아버지 어머니 배우자 남편 아내 친구 가족 자녀 아들 비서 사무실 회사 팩스 추천인 ฉุกเฉิน
    ผู้ปกครอง พ่อ แม่ บิดา มารดา คู่สมรส สามี ภรรยา เพื่อน ญาติ เลขา สำนักงาน บริษัท แฟกซ์ ผู้แนะนำ طوارئ الطوارئ والد والدة
    ولي_الأمر الوالدين زوج شريك صديق قريب سكرتير مساعد مكتب شركة فاكس اضطراری والدین همسر दोस्त आपातकाल आपातकालीन
    माता पिता अभिभावक पति पत्नी परिवार कार्यालय कंपनी फैक्स חירום הורה הורים אמא אבא אפוטרופוס משרד חברה פקס בן_זוג
    בת_זוג
"""


def _folded(text: str) -> str:
    """Write a name in lower case, without accents, with plain blanks: people spell them as they like."""
    apart = unicodedata.normalize("NFKD", text.replace("_", " ").casefold())
    bare = "".join(character for character in apart if not unicodedata.combining(character))
    return " ".join(unicodedata.normalize("NFC", bare).replace("’", "'").split())


@cache  # most runs read no question at all
def _pattern(words: str, anywhere: str) -> re.Pattern[str]:
    """Make a pattern of whole words (or their beginnings, with a *), and of words of scripts without blanks."""
    parts = []
    for word in dict.fromkeys(words.split()):
        # Folding takes nothing away from "·" or "-", and "_" stands for a blank in these lists.
        bare = re.escape(_folded(word.rstrip("*")))
        parts.append(bare + (r"\w*" if word.endswith("*") else ""))
    loose = [re.escape(_folded(word)) for word in dict.fromkeys(anywhere.split())]
    return re.compile(rf"\b(?:{'|'.join(parts)})\b" + ("|" + "|".join(loose) if loose else ""))


@lru_cache(maxsize=1024)
def asks_for_phone(question: str) -> bool:
    """Whether a question is called like one for a telephone number."""
    return _pattern(_PHONE, _PHONE_ANYWHERE).search(_folded(question)) is not None


@lru_cache(maxsize=1024)
def is_about_somebody_else(question: str) -> bool:
    """Whether a question speaks of somebody but the guest, or of a line that is no person's."""
    return _pattern(_SOMEBODY_ELSE, _SOMEBODY_ELSE_ANYWHERE).search(_folded(question)) is not None


@lru_cache(maxsize=1024)
def likeness(question: str) -> Likeness:
    """Say how surely a question asks for the guest's own mobile; whether it asks about somebody else is not asked."""
    called = _folded(question)
    if _pattern(_OTHER_LINE, _OTHER_LINE_ANYWHERE).search(called):
        return Likeness.OTHER_LINE
    if _pattern(_OWN, _OWN_ANYWHERE).search(called):
        return Likeness.OWN
    return Likeness.MOBILE if _pattern(_MOBILE, _MOBILE_ANYWHERE).search(called) else Likeness.PLAIN
