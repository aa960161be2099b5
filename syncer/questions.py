"""What a question of a booking form asks for, by its name: a telephone number, and whose. Pure.

Calendly says of which type a question is, but not about whom it asks. A form may ask for a parent's number, or for one
to call in an emergency, before it asks for the guest's own. So a name that speaks of somebody else is never the guest's
number, whatever its type. The words are in the languages that syncer writes, and in some more.

No list of people ends. So a name that says whose number it asks for ("of your ...", "your ...'s") by a word that is
not known here counts as about somebody else, too. A remark beside the name that only says which number not to write,
or what for, says nothing about whose it is.
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
    yours own participant's attendee's guest's eigene* propio propia vôtre próprio própria proprio eigen sms whatsapp
    text texts texting erinnerung erinnerungen reminder reminders recordatorio* rappel rappels lembrete* promemoria
    powiadomienia напоминани*
"""
_OWN_ANYWHERE = "本人 我的 自己 ご自身 短信 簡訊 ショートメッセージ 귀하 본인 문자"
_YOUR = """
    your my deine* dein ihre* ihr meine* mein tu tus su sus mi mis votre vos ton ta tes mon mes seu seus sua suas teu
    teus tua tuas meu meus minha minhas tuo suo mio vostro vostra jouw van_je uw mijn twój twoja twoje twojego twojej
    mój państwa pana pani ваш* твой твоя твоего твоей мой моя мій твій
"""
"""They make a question the guest's own only where a number follows, and nobody else."""
_YOUR_ANYWHERE = "您的 你的 妳的 您 你 妳 あなたの お客様の"
_BESIDE = """
    best preferred current main primary direct personal contact daytime evening day full complete correct valid active
    international local us u.s country area code dial first good reachable regular usual new digit digits 10-digit
    ten-digit ten and or name names last email e-mail address zip date birth other latest working private home work
    business second secondary alternate alternative backup american uk british irish canadian australian german
    european everyday mob mobil skype zoom facetime aktuelle* beste* bevorzugte* gültige* vollständige* persönliche*
    direkte* private* geschäftliche* dienstliche* erreichbar* internationale* kontaktdaten daten info information
    details detail data method way contact's coordonnées coordonnée datos dados dati gegevens dane данные vorname
    nachname und oder e-mail-adresse mail adresse kontaktnummer mejor principal actual nombre apellido apellidos
    correo y o e de contacto completo directo válido meilleur actuel personnel nom prénom et ou courriel complet
    valide melhor atual pessoal nome contato direto endereço miglior migliore principale attuale personale cognome
    indirizzo recapito contatto beste huidige persoonlijke naam en of adres rechtstreekse geldige volledige kontaktowy
    kontaktowego imię nazwisko i lub aktualny aktualnego główny контактный контактного контактные имя и или фамилия
    адрес актуальный основной личный действующий
"""
"""Words that may stand between "your" and the number: which one, and what else is asked for."""
_BESIDE_ANYWHERE = """
    聯絡 联络 聯繫 联系 连络 連絡 常用 個人 个人 主要 真實 真实 有效 正確 正确 可 接收 接聽 接听 收 能 行動 移动 移動
    台灣 台湾 臺灣 中國 中国 國內 国内 最佳 方便 預約 预约 登記 登记 註冊 注册 綁定 绑定 姓名 名字 與 与 和 及 或 使用
    用 中 目前 現在 现在 的 先 が 取れる 可能 な つながる 繋がる 日中 お名前 微信 國際 国际 平時 平时 或者 または と
    有効 最も 最新 受信 できる 一番 ご お に
"""
_NUMBER = """
    number* no nr n num durchwahl número* numéro* numero* nummer* numer номер* line callback digits signal telegram
    viber wechat rufnummer* erreichbarkeit lada telefonisch* telephonic téléphonique* telefónic* telefônic* telefonic*
"""
_THING = """
    appointment* booking* session* meeting* call calls visit* order* reservation* consultation* delivery lesson* class
    classes trip* tour* interview* event* records convenience account* inquiry request* question* privacy time
    timezone zone city company's termin* buchung* anfrage* rückfrage* gespräch* beratung* bestellung* cita* reserva*
    pedido* consulta* reunión* visita* rendez-vous réservation* commande* demande* séance* agendamento* reunião sessão
    appuntamento* prenotazione* ordine* richiesta* afspraak* boeking* bestelling* wizyt* rezerwacj* spotkani* запис*
    бронировани* встреч* заказ* file notes purchase project case
"""
"""What is the guest's without being a person or a number."""
_ENDS = """
    for to so when if in at on with where which that who we i we'll is can may should will because since during by
    before after from as für damit wenn falls zu zum zur unter mit bei wo wir um an para por con en si cuando donde
    que pour afin avec où com em se quando onde per dove che quale cui questo quello vous te le voor met als waar do
    na w dla z для на с чтобы
"""
"""Behind these words something new begins."""
_OF_WHOM = """
    person person's participant* attendee* guest* client* customer* patient* invitee* you choice contact student*
    applicant* candidate* member* user* user's visitor* caller* booker* buyer* passenger* traveler* traveller*
    learner* country day what's who's it's that's let's here's there's today's how's where's when's
"""
"""Who may be meant in "the ...'s phone" and "phone of the ...": mostly the guest; and what only looks like it."""
_OTHER_LINE = """
    landline* home work business alternate* alternative* second secondary backup other another additional festnetz*
    privat* dienstlich* geschäft* zweit* weitere* andere* fijo casa trabajo alternativ* segundo otro otra adicional
    fixe domicile travail professionnel* secondaire autre fixo trabalho outro outra fisso lavoro altro secondo vast
    vaste werk zakelijk tweede domowy służbowy drugi рабочий домашний второй другой
"""
_OTHER_LINE_ANYWHERE = "备用 備用 其他 家庭电话 家裡電話 市话 市話 座机 自宅 固定 予備 別の 勤務先 집전화 직장 대체"

_SOMEBODY_ELSE = """
    emergency emergencies ice kin parent parents parental mother mother's mothers father father's fathers mum mum's
    mom mom's dad dad's guardian* caregiver* carer* caretaker* partner* spouse* husband* wife wife's wives fiance*
    fiancee* girlfriend* boyfriend* friend friend's friends relative* family sibling* brother* sister* son son's
    daughter* child child's children* kid kid's kids grandparent* grandmother* grandfather* aunt* uncle* neighbour*
    neighbor* assistant* secretary secretary's secretaries receptionist* reception office* company company's companies
    corporate headquarters hq switchboard employer* manager manager's supervisor* boss* colleague* coworker* teacher*
    school* doctor* physician* dentist* gp lawyer* attorney* agent agent's agency broker* accountant* landlord*
    tenant* roommate* referral* referrer* referred referee* reference references witness* beneficiary beneficiaries
    chaperone* companion* escort* driver* vet veterinarian* pharmacy insurer* fax* telefax* plus-one co-applicant*
    cosigner* someone somebody else contact_person contact_person's accompanying alternate_contact alternative_contact
    second_contact secondary_contact backup_contact other_contact nanny* babysitter* stepmother* stepfather*
    interpreter* translator* social_worker* significant_other loved_one* hospital* clinic* hotel* coordinator* whom
    who_else anyone_else grandma grandma's grandmas grandpa grandpa's granny* grandad* granddad* nana gran gran's
    cousin* pa pa's mam mam's mama mama's papa papa's mommy* mummy* daddy* niece* nephew* godmother* godfather*
    godparent* stepson* stepdaughter* stepparent* granddaughter* grandson* grandchild* grandchildren mother-in-law*
    father-in-law* in-law in-laws therapist* realtor* trusted insurance* co-* cofounder* groom groom's groomsman
    groomsmen bride* best_man maid_of_honor maid_of_honour guarantor* recipient* addressee* on-site_contact
    onsite_contact site_contact on_site_contact local_contact billing_contact accounts_payable trusted_contact ea ea's
    team_lead* team_leader* support_worker* case_worker* caseworker* key_worker* housemate* flatmate* plus_one
    plus_one's plus_1 second_attendee* second_guest* second_person* second_participant* second_passenger*
    second_traveler* second_traveller* additional_guest* additional_attendee* additional_person*
    additional_participant* additional_contact another_contact other_guest* other_attendee* other_person* other_party
    other_parent* other_people another_person* another_guest* third_party third_person third_parties representative*
    trustee* executor* proxy advisor* adviser* landlady* sponsor* mentor* bookkeeper* dispatcher* concierge*
    superintendent* pharmacist* midwife* nurse's counselor* counsellor* psychologist* psychiatrist* pediatrician*
    coach's

    notfall* notruf* angehörig* eltern* vater* mutter* erziehungsberechtigt* sorgeberechtigt* vormund* betreuer*
    betreuung* ehepartner* lebenspartner* ehemann* ehefrau* ehegatt* gatte* gattin* lebensgefährt* verlobte* freund
    freundin* freundes freunde verwandt* familie* geschwister* bruder* schwester* sohn* tochter* kind kindes kinder*
    oma opa großeltern* grosseltern* nachbar* assistent* assistenz* sekretär* sekretar* sekretariat* empfang*
    rezeption* büro* buero* firma firmen* unternehmen* zentrale arbeitgeber* vorgesetzt* chef* kollege* kollegin*
    lehrer* schule hausarzt* arzt* ärztin* anwalt* anwält* makler* vermieter* mieter* empfehl* geworben* werber*
    referenz* zeuge* begleitperson* begleitung* kontaktperson* ansprechpartner* ansprechperson* vertretung* bekannte*
    schwieger* stief* großvater* großmutter* dolmetscher* klinik* krankenhaus* mama mamas mami mamis papa papas papi
    papis mutti muttis vati vatis onkel* tante* cousin* neffe neffen nichte nichten enkelin* enkelkind* enkelsohn*
    enkels schwager* schwägerin* patenonkel* patentante* patenkind* braut bräutigam* brautpaar* trauzeug*
    bevollmächtigt* vertreter* dritter dritten dritte_person dritte_personen pflegedienst* pflegekraft* pfleger*
    pflegerin* vertrauensperson* mitbewohner* mitreisend* begleiter* bürge bürgen versicherung* hausverwaltung*
    steuerberat* therapeut* hebamme* weiterer_teilnehmer* weitere_teilnehmer* weiteren_teilnehmer* zweiter_teilnehmer*
    zweite_teilnehmer* zweiten_teilnehmer* weiterer_gast zweiter_gast zweite_person zweiten_person weitere_person
    weiteren_person andere_person anderen_person anderer_person jemand* kontakt_vor_ort ansprechpartnerin* teamleit*
    rechnungskontakt* rechnungsempfänger* omas opas uroma* mitarbeiter* kindsmutter* kindsvater* kindermädchen*
    tagesmutter* babysitterin* hausmeister* treuhänder* notar*

    emergencia* pariente* familiar* padre* madre* tutor* tutora* apoderad* cuidador* pareja* cónyuge* esposo* esposa*
    marido* mujer novio* novia* amigo* amiga* hermano* hermana* hijo* hija* abuelo* abuela* vecino* vecina* asistente*
    secretari* recepción oficina* empresa* compañía* jefe* jefa* colega* profesor* escuela* médico* abogad* agente*
    referido* referencia* testigo* acompañante* allegad* persona_de_contacto empleador* mamá papá mami papi tío tíos
    tía tías del_primo de_primo tu_primo su_primo un_primo teléfono_primo móvil_primo celular_primo primos primas
    de_la_prima tu_prima su_prima una_prima cuñad* suegr* sobrin* nieto nieta nietos nietas yerno nuera padrin*
    madrin* acudiente* representante* otra_persona otro_contacto otras_personas tercero terceros tercera_persona
    conocido conocidos conocida conocidas compañer* albacea garante* fiador* avalista* niñera* niñero* aseguradora*
    del_seguro tu_seguro su_seguro persona_de_confianza encargad* segundo_asistente segunda_persona segundo_invitado
    otro_invitado destinatari* terapeuta* casero casera inquilin* alguien notari* gestor gestora administrador*

    urgence* proche* père* mère* tuteur* tutrice* responsable_légal* conjoint* époux* épouse* mari femme compagnon*
    compagne* concubin* fiancé* petit_ami* petite_amie* ami ami·e amie amis amies frère* sœur* soeur* fils fille
    enfant* grand-père* grand-mère* grands-parents voisin* assistant* secrétaire* secrétariat* accueil bureau*
    entreprise* société* employeur* patron* collègue* professeur* école* médecin* avocat* mandataire* parrain*
    filleul* témoin* accompagnat* accompagnant* télécopi* personne_à_contacter personne_à_prévenir personne_de_contact
    recommandé_par maman* papa tiers tierce_personne autre_personne une_autre_personne deuxième_personne responsable*
    oncle* tante* cousin* mamie* mémé pépé papi papy neveu* nièce* gendre belle-* beau-* marié mariée mariés marraine*
    aidant* aidante* nounou* personne_de_confiance représentant* garant garante garants colocataire* assurance*
    assureur* destinataire* thérapeute* notaire* infirmier* infirmière* locataire* gardien* autre_contact quelqu'un
    connaissance* compagnie curateur* curatrice* syndic

    emergência* parente* familiar* pai dos_pais mãe* responsável* encarregado* tutor* cuidador* parceir* cônjuge*
    marido* esposa* mulher namorad* noiv* irmão* irmã* filho* filha* avô* avó* vizinh* secretári* recepção escritório*
    empresa* companhia* empregador* chefe* escola* médico* advogad* corretor* indicação* indicado* referência*
    testemunha* acompanhante* pessoa_de_contato pessoa_de_contacto mamãe* mamã papai* tio tios tia tias do_primo
    da_prima de_primo seu_primo sua_prima teu_primo tua_prima um_primo uma_prima telefone_primo celular_primo sogro*
    sogra* cunhad* genro sobrinh* neto neta netos netas recado recados outra_pessoa outro_contato outras_pessoas
    terceiro terceiros terceira_pessoa segunda_pessoa representante* conhecid* babá* fiador* avalista* madrinha*
    padrinho* pessoa_de_confiança destinatári* terapeuta* seguradora* síndico* inquilin* alguém procurador* contador*
    gerente*

    emergenza* emergenze genitor* padre madre tutore* coniuge* marito* moglie* compagn* fidanzat* amico* amica*
    fratello* sorella* figlio* figlia* nonn* vicino* assistente* segretari* ufficio* azienda* società datore* medico*
    avvocato* agente* referente* testimone* accompagnator* congiunt* parent* mamma mamme papà babbo zio zia zii cugin*
    suocer* cognat* nipot* genero nuora badante* terzi terza_persona altra_persona un'altra_persona seconda_persona
    rappresentante* garante* conoscent* persona_di_fiducia collega colleghi capo sposo sposa sposi padrino madrina
    coinquilin* inquilin* destinatari* assicura* qualcuno commercialista* nood* ouder* vader* moeder* voogd*
    verzorger* echtgeno* vriend* zoon* dochter* broer* zus zussen buur* secretaresse* kantoor* bedrijf* werkgever*
    huisarts* advocaat* contactpersoon* familielid* nagły* nagłych awaryjn* rodzic* ojca ojciec matki matka opiekun*
    małżon* mąż męża żona żony partnera znajom* przyjaciel* krewn* syn syna córk* dziecka brat* siostr* sekretar*
    biur* firm* pracodawc* lekarz* polecaj* oom tante tantes neef schoonmoeder* schoonvader* schoonouders* schoonzus*
    schoonbroer* schoonzoon* schoondochter* oma's opa's collega* kennis kennissen derde derden andere_persoon
    ander_persoon tweede_persoon tweede_deelnemer vertegenwoordiger* gemachtigde* bruid bruidegom mantelzorger*
    begeleider* oppas* huisgenoot* bewindvoerder* vertrouwenspersoon* ontvanger* verzekering* makelaar* huisbaas
    iemand* leidinggevende* mamy taty tata mamę wujek wujka ciocia cioci kuzyn* teść teścia teściow* koleg* koleżan*
    współpracowni* sąsiad* osoby_trzeciej inna_osoba innej_osoby druga_osoba drugiej_osoby przedstawiciel*
    pełnomocnik* babcia babci dziadek dziadka narzeczon* świadk* poręczyciel* szef* odbiorc* osoba_towarzysząca
    osoby_towarzyszącej niani niania экстренн* чрезвычайн* родител* мать матери мамы мама отца отец папы опекун*
    супруг* муж* жены жена партнер* партнёр* друг друга подруг* родственник* сын* дочери дочь ребенка ребёнка брат*
    сестр* ассистент* секретар* офис* компани* фирм* работодател* врач* факс* бабушк* дедушк* дяди дядя тети тётя тёти
    тетя коллег* сосед* начальник* руководител* представител* доверенн* поручител* жених* невест* няни няня
    другого_человека другое_лицо третьих_лиц третьего_лица свекров* свекр* тещ* тёщ* тесть тестя зят* племянни*
    знаком* внук* внучк* двоюродн* получател* сопровождающ* попутчик* страхов* кузен* кузин* колег* сусід* бабус*
    дідус* представник* довірен* мами тата тітк* знайом* керівник* екстрен* батьк* матір* опікун* чоловік* дружин*
    nödkontakt* nödfall* förälder* föräldr* mamma* pappa* vårdnadshavare* anhörig* mormor* morfar* farmor* farfar*
    kollega* kollegor* granne* grannar* syskon* god_man ombud* svärmor* svärfar* svärföräld* nabo* naboer* svigermor*
    svigerfar* svigerforeldre* bedstemor* bedstefar* bestemor* bestefar* onkel* tante* kusin* fætter* kusine*
    söskende* søsken* kæreste* kjæreste* flickvän* pojkvän* vänner venn annan_person annen_person anden_person
    tredje_part brud brudgom verge værge sambo kontor* företag* nødsituation* forelder* foreldre* forælder* forældre*
    pårørende* ektefelle* ægtefælle* virksomhed* bedrift* hätä* huoltaj* vanhem* puoliso* omais* äidin isän toimisto*
    yritys* äiti isä mummo* mummi* isoäi* isois* kollegan naapuri* ystäv* sisar* sisko* veli veljen täti tädin setä
    sedän eno enon serkku* edustaja* edunvalvoj* toinen_henkilö toisen_henkilön acil veli* annesi* babası* annenin
    anneniz* annem* babanın babanız* babam* teyze* amca* dayı* kuzen* komşu* arkadaş* kardeş* abla* temsilci* kefil*
    eşiniz* eşi müdür* patron* başka_biri iş_arkadaş* yakın* asistan* sekreter* ofis* şirket* faks* nouzov* tísňov*
    rodič* matky otce manžel* manžek* kancelář* mamin* táty tatínk* babičk* dědeč* dědy soused* bratr* sestr* kamarád*
    přítel* zástupc* ručitel* strýc* tety teta vészhelyzet* szülő* anya* apja házastárs* férj* feleség* iroda* cég*
    nagymam* nagyap* kolléga* kollégá* szomszéd* képviselő* testvér* barát* nagynéni* nagybácsi* unokatestvér* gyám*
    urgență* bunic* coleg* vecin* reprezentant* unchi* mătuș* verișoar* frate* sora prieten* părint* mamei tatălui
    soțul* soția* soției birou* firmă* έκτακτη* ανάγκης γον* μητέρα* πατέρα* κηδεμόν* σύζυγ* φίλ* γραφείο* εταιρ*
    γιαγιά* παππού* συνάδελφ* γείτον* εκπρόσωπ* αδελφ* αδερφ* θεί* ξάδερφ* ξάδελφ* μαμά* μπαμπά* εγγυητ* φαξ khẩn_cấp
    phụ_huynh cha_mẹ người_giám_hộ chồng bạn_bè người_thân thư_ký văn_phòng công_ty người_giới_thiệu anh_trai chị_gái
    em_trai em_gái đồng_nghiệp hàng_xóm người_đại_diện bạn_trai bạn_gái ông_bà ông_nội bà_nội ông_ngoại bà_ngoại
    của_mẹ của_bố người_khác người_đi_cùng người_bảo_lãnh bên_thứ_ba darurat orang_tua kakek nenek paman bibi sepupu
    rekan tetangga mertua adik kakak atasan perwakilan orang_lain pihak_ketiga penjamin keluarga saudara ayah ibu wali
    pasangan suami istri teman kantor perusahaan
"""
_SOMEBODY_ELSE_ANYWHERE = """
    notfall angehörig erziehungsberechtigt ehepartner lebenspartner ansprechpartner 緊急 紧急 急救 父母 家長 家长 父親
    父亲 母親 母亲 爸爸 媽媽 妈妈 監護人 监护人 配偶 伴侶 伴侣 丈夫 妻子 太太 先生電話 老公 老婆 男友 女友 朋友 親友
    亲友 親屬 亲属 家屬 家属 家人 兒子 儿子 女兒 女儿 孩子 子女 小孩 兄弟 姐妹 姊妹 助理 秘書 秘书 公司 辦公室 办公室
    企業 企业 單位電話 单位电话 雇主 老師 老师 學校 学校 醫師 醫生 医生 律師 律师 推薦人 推荐人 介紹人 介绍人 傳真
    传真 代理人 同伴 陪同 保護者 両親 父の 母の お父 お母 後見人 ご家族 家族 親族 親御 続柄 夫の 妻の 旦那 奥様
    パートナー 恋人 友人 知人 友達 お子 子供 子ども 息子 娘 姉妹 アシスタント 会社 オフィス 事務所 勤務先代表 法人
    上司 医師 主治医 弁護士 紹介者 ご紹介 ファックス ファクス 連絡先の方 同伴者 付添 緊急連絡 비상 응급 긴급 부모
    보호자 아버지 어머니 배우자 남편 아내 친구 가족 자녀 아들 비서 사무실 회사 팩스 추천인 ฉุกเฉิน ผู้ปกครอง พ่อ แม่ บิดา
    มารดา คู่สมรส สามี ภรรยา เพื่อน ญาติ เลขา สำนักงาน บริษัท แฟกซ์ ผู้แนะนำ طوارئ الطوارئ والد والدة ولي_الأمر الوالدين
    زوج شريك صديق قريب سكرتير مساعد مكتب شركة فاكس اضطراری والدین همسر दोस्त आपातकाल आपातकालीन माता पिता अभिभावक पति
    पत्नी परिवार कार्यालय कंपनी फैक्स חירום הורה הורים אמא אבא אפוטרופוס משרד חברה פקס בן_זוג בת_זוג 爺爺 爷爷 奶奶 外公
    外婆 祖父 祖母 姥姥 姥爷 姥爺 叔叔 叔父 伯父 伯伯 阿姨 姑姑 姑媽 姑妈 舅舅 舅媽 表哥 表弟 表姐 表妹 表姊 堂哥 堂弟
    堂姐 堂妹 堂姊 哥哥 弟弟 姐姐 姊姊 妹妹 公公 婆婆 岳父 岳母 媽咪 妈咪 老爸 老媽 老妈 爸媽 爸妈 爸 媽的 妈的 同事
    同學 同学 主管 老板 老闆 上級 上级 經理 经理 房東 房东 鄰居 邻居 親戚 亲戚 室友 保姆 褓姆 同行者 同行人 同行友
    隨行 随行 擔保人 担保人 保證人 保证人 新郎 新娘 伴郎 伴娘 未婚夫 未婚妻 代表人 第三人 第三方 第三者 他人 別人 别人
    其他聯絡人 其他联系人 其他連絡人 第二聯絡人 第二联系人 備用聯絡人 备用联系人 備用連絡人 受託人 受托人 收件人
    收貨人 收货人 保險 保险 經紀 经纪 非本人 非您本人 本人以外 看護 护工 照顧者 照护者 孫子 孙子 孫女 孙女 女婿 媳婦
    媳妇 對象電話 情人 閨蜜 闺蜜 客人以外 團隊負責人 第二位 另一位 另一人 ご主人 奥さん 奥方 ママ パパ 親の 兄の 姉の
    弟の 妹の お兄 お姉 彼氏 彼女の 彼女電話 同僚 職場 勤務先 勤め先 同行の 付き添い 付添い 保証人 おじい おばあ
    お祖父 お祖母 叔母 伯母 いとこ 従兄 従姉 従弟 従妹 義父 義母 義理 義兄 義姉 隣人 ご近所 同居人 ルームメイト
    大家さん 大家の 代理の方 他の方 別の方 ほかの方 他の人 別の人 上長 部下 新婦 婚約者 受取人 お孫 孫の 介護者
    ヘルパー 同乗者 先輩 後輩 担任 お相手 할머니 할아버지 동료 이웃 상사 친척 형제 자매 남매 여동생 남동생 누나 오빠
    언니 형의 남자친구 여자친구 집주인 룸메이트 보증인 동반자 동행 엄마 아빠 삼촌 이모 고모 사촌 대리인 지인 제3자
    타인 다른_사람 조카 며느리 사위 시어머니 장모 간병인 직장_상사 พี่ชาย พี่สาว น้องชาย น้องสาว คุณย่า คุณยาย คุณปู่ หัวหน้า
    ตัวแทน ผู้ติดตาม คนอื่น เจ้านาย ผู้ค้ำ الجد الجدة زميل كفيل وكيل شخص_آخر مرافق خطيب خطيبة סבא סבתא עמית נציג מנהל אדם_אחר
    אח_של אחות_של दादा दादी नाना नानी चाचा भाई बहन सहकर्मी पड़ोसी رفیق همکار همسایه برادر خواهر پدر مادر
"""


def _folded(text: str) -> str:
    """Write a name in lower case, without accents, with plain blanks: people spell them as they like."""
    apart = unicodedata.normalize("NFKD", text.replace("_", " ").casefold())
    bare = "".join(character for character in apart if not unicodedata.combining(character))
    return " ".join(unicodedata.normalize("NFC", bare).replace("’", "'").split())


@cache  # most runs read no question at all
def _pattern(words: str, anywhere: str = "") -> re.Pattern[str]:
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


_LONGEST = 1000
"""Of a longer name only the words count."""

# Remarks beside the name. An apostrophe and a hyphen belong to a word here.

_APART = re.compile(r"([()\[\]{}【】〔〕;,、。]|\s[-\u2013\u2014]+\s|(?<=\w{4})\.\s)")
_NOT = re.compile(
    r"\W*(?:(?:please|bitte|por favor|svp|s'il vous plait)\s+)?"
    r"(?:not|no(?!\s*[.:º°]|\s+(?:of|de|del|du|d'|da|do|des)\b)|"
    r"never|don't|except|excluding|without|other than|rather than|nicht|keine?[nrs]?|nie|ohne|ausser|außer|nunca|sin|"
    r"salvo|excepto|pas|jamais|sans|sauf|nao|sem|nunca|exceto|non|senza|tranne|niet|geen|ikke|inte|ingen|не|кроме)\b|"
    r"\W*(?:请|請|煩請)?(?:勿|不要|不可|不是|不能|不得|不含|不接受|非|別填|别填|除)"
)
_NOT_AT_THE_END = (
    "不可 以外 ではなく ではありません ではない じゃない を除く 除く NG はご遠慮ください 제외 아님 말고 除外".split()
)
_BUT = re.compile(r"\b(?:but|instead|sondern|sino|mais|mas|ma|maar|men|lecz|ale|а|но|rather(?! than))\b|而是|但")
_PURPOSE = re.compile(
    r"\b(?:so|in case|if|when|because|since|falls|damit|wenn|weil|sodass|para que|por si|en caso|si|pour que|afin|"
    r"au cas|en cas|caso|per|nel caso|se|zodat|als|indien|jesli|zeby|aby|если|чтобы)\b|以便|若|如|方便|万一|萬一|供"
)
_SHARED = re.compile(
    r"\b(?:shared?|disclosed?|sold|sell|weitergegeben|weitergabe|weitergeben|compart\w*|cedemos|communiqu\w*|partag\w*|"
    r"condivi\w*|gedeeld|delen|udostepni\w*|переда\w*)\b"
)
_NO = re.compile(r"\b(?:not|never|won't|don't|no|nicht|keine|nie|non|jamais|pas|nao|nunca|niet|не)\b")
_HOSTS_OWN = re.compile(
    r"\b(?:our|unser\w*|nuestr[oa]s?|notre|noss[oa]s?|nostr[oaie]|ons|onze|nasz\w*|наш\w*)\s+[\w'-]+|"
    r"(?:我們|我们|敝|本)的?(?:公司|辦公室|办公室|事務所|事务所|助理|老師|老师|醫師|醫生|医生|律師|律师|秘書|秘书|同事|主管|經理|"
    r"经理|學校|学校)"
)
_SECOND = re.compile(
    r"\b(?:guest|attendee|participant|person|passenger|travell?er|player|gast|teilnehmer|invitado|asistente|participante|"
    r"invite|convidado|hospede|ospite|persona|deelnemer)\s*(?:#|no\.?|nr\.?)?\s*(?:[2-9]|two|three|zwei|dos|deux|due)\b|"
    r"第[2-9二三四]位|(?:參加者|参加者|旅客|乘客|客人|學員|学员)\s*[2-9二三]"
)
_WORD = re.compile(r"[^\W_]+(?:['.-][^\W_]+)*")
_OWNERS = re.compile(r"([^\W_]+)'s\b")


@lru_cache(maxsize=1024)
def is_about_somebody_else(question: str) -> bool:
    """Whether a question speaks of somebody but the guest, or of a line that is no person's."""
    called = _folded(question)
    if len(called) > _LONGEST:
        return _names_somebody(called)
    said, is_not_own = _without_remarks(called)
    if is_not_own or _names_somebody(said) or _SECOND.search(said):
        return True
    return _has_unknown_owner(said) or _of_whom_it_says(said) is False


@lru_cache(maxsize=1024)
def likeness(question: str) -> Likeness:
    """Say how surely a question asks for the guest's own mobile; whether it asks about somebody else is not asked."""
    called, _ = _without_remarks(_folded(question)[:_LONGEST])
    if _pattern(_OTHER_LINE, _OTHER_LINE_ANYWHERE).search(called):
        return Likeness.OTHER_LINE
    if _of_whom_it_says(called) is not False and (
        _pattern(_OWN, _OWN_ANYWHERE).search(called) or _of_whom_it_says(called)
    ):
        return Likeness.OWN
    return Likeness.MOBILE if _pattern(_MOBILE, _MOBILE_ANYWHERE).search(called) else Likeness.PLAIN


def _names_somebody(text: str) -> bool:
    return _pattern(_SOMEBODY_ELSE, _SOMEBODY_ELSE_ANYWHERE).search(text) is not None


def _without_remarks(text: str) -> tuple[str, bool]:
    """Take away the remarks that tell nothing about whose number it is; say whether one tells that it is not one's own.

    Those are "not your assistant's" and "so our office can reach you". "Not your own" is none of them.
    """
    first, *others = (part.strip() for part in _APART.split(text))
    kept, is_not_own = [_without_the_hosts_own(first)], False
    for part in others:
        if _SHARED.search(part) and _NO.search(part):
            continue  # "never shared with other companies"
        if not _NOT.match(part) and not part.rstrip(" .!").endswith(_negations()):
            kept.append(_without_the_hosts_own(part))
        elif _BUT.search(part):
            kept.append(part)
        else:
            is_not_own |= _denies_own(part)
    return " ".join(kept), is_not_own


def _without_the_hosts_own(text: str) -> str:
    """Take away who is to reach the guest: "so our office can reach you"."""
    purpose = _HOSTS_OWN.match(text) or _PURPOSE.search(text)
    return text if purpose is None else text[: purpose.start()] + _HOSTS_OWN.sub(" ", text[purpose.start() :])


@cache
def _negations() -> tuple[str, ...]:
    return tuple(map(_folded, _NOT_AT_THE_END))


def _denies_own(remark: str) -> bool:
    """Whether a remark with a no in it goes on with "your own", or with "your" and nobody else."""
    if _pattern(_DENIED, _DENIED_ANYWHERE).search(remark):
        return True
    if _names_somebody(remark) or _pattern(_OTHER_LINE, _OTHER_LINE_ANYWHERE).search(remark):
        return False
    no = _NOT.match(remark)
    if no is not None:
        denied = remark[no.end() :]
        words = _WORD.findall(denied)
        is_your = any(_pattern(_YOUR).fullmatch(word) for word in words[:2]) or _your_anywhere().search(denied[:_NEAR])
        if not is_your or "forget" in words or "忘" in denied:
            return False
    return _of_whom_it_says(remark) is True  # a no at the end is about all before it


_DENIED = "yours own eigene* propio propia tuyo tuya suyo suya vôtre tien tienne sien próprio própria mine"
_DENIED_ANYWHERE = "本人 自己 ご自身 본인"


def _has_unknown_owner(text: str) -> bool:
    """Whether an English name says whose it is, by an unknown word: "Caterer's phone", "Phone of the caterer"."""
    known = _pattern(_OF_WHOM)
    if any(not known.fullmatch(found[0]) and not known.fullmatch(found[1]) for found in _OWNERS.finditer(text)):
        return True
    of = re.search(
        r"\b(?:phone|number|mobile|cell|telephone|whatsapp) of (?:the |a |an |one )?(?!your\b|my\b)([\w'-]+)", text
    )
    return of is not None and known.fullmatch(of[1]) is None


def _of_whom_it_says(text: str) -> bool | None:
    """Say whether "your" belongs to a number (True) or to somebody (False); None = it does not say "your" of either."""
    found = [*_pattern(_YOUR).finditer(text)]
    says = [_what_follows(text[: your.start()], text[your.end() :]) for your in found]
    unspaced = [*_your_anywhere().finditer(text)]
    says += [_what_follows_unspaced(your[0], text[: your.start()], text[your.end() :]) for your in unspaced]
    return False if False in says else True if True in says else None


def _what_follows(before: str, text: str) -> bool | None:
    """Read on behind a "your" until a number, or somebody."""
    if not text.startswith(" "):
        return None  # "Mon-Fri"
    words = _WORD.findall(_APART.split(re.split(r"[?!:/]", text)[0])[0])
    last = (_WORD.findall(before) or [""])[-1]
    is_whose = last == "" or _is_number_word(last) or _pattern(_BELONGING).fullmatch(last) is not None
    for at, word in enumerate(words):
        if _is_number_word(word):
            return True
        if word.isdecimal() or _pattern(_BESIDE + _OWN + _YOUR).fullmatch(word):
            continue
        if _pattern(_THING + _ENDS).fullmatch(word):
            return None
        # "Send me your voucher" is about a thing. "Your voucher's number", "number of your voucher" may be somebody's.
        return False if is_whose or _is_number_next(words[at + 1 :]) else None
    return False if last and is_whose and _pattern(_CONTACT).fullmatch((words or [""])[-1]) else None


_CONTACT = "contact contacts kontakt kontakts kontaktes contacto contato contatto"
_BELONGING = (
    "of for from by who which is are von für vom bei de para por del pour du da do per di van voor od do dla для от ist"
)
_NEAR = 3


def _is_number_word(word: str) -> bool:
    known = _pattern(_PHONE + _NUMBER, _PHONE_ANYWHERE)
    return known.fullmatch(word) is not None or _COMPOUND.fullmatch(word) is not None


def _is_number_next(words: list[str]) -> bool:
    for word in words[:_NEAR]:
        if _is_number_word(word):
            return True
        if _pattern(_ENDS).fullmatch(word):
            return False
    return False


_COMPOUND = re.compile(
    r"(?:whatsapp|sms|tel|telefon|mobil\w*|handy|smartphone|kontakt|r(?:u|ue)ckruf|fest\w*|privat|phone|cell|contact)-?"
    r"(?:nummern?|nr|telefon|handy|number|phone)"
)


@cache
def _your_anywhere() -> re.Pattern[str]:
    return re.compile("|".join(re.escape(_folded(word)) for word in _YOUR_ANYWHERE.split()))


@cache
def _beside_anywhere() -> re.Pattern[str]:
    words = sorted(map(_folded, _BESIDE_ANYWHERE.split()), key=len, reverse=True)
    return re.compile(rf"(?:{'|'.join(map(re.escape, words))}|[a-z0-9/+.\s])*+")


def _what_follows_unspaced(your: str, before: str, text: str) -> bool | None:
    """Read on behind a "your" in a script without blanks; only what says "of" tells that it is somebody's."""
    text = _APART.split(text)[0]
    phone = _pattern(_PHONE, f"{_PHONE_ANYWHERE} 號碼 号码 番号").search(text)
    if phone is None and before.strip():
        return None
    if _beside_anywhere().fullmatch(text if phone is None else text[: phone.start()]):
        return None if phone is None else True
    return False if len(your) > 1 else None
